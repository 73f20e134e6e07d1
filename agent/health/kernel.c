/* Limits of the kernel, what it says of itself, and whether another one waits for a reboot. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "health/run.h"

static void tell_limits(struct health_run *run)
{
	char text[256];
	double used, max, threads;

	health_read(run, "/proc/sys/fs/file-nr", text, sizeof text);
	if (sscanf(text, "%lf %*f %lf", &used, &max) == 2)
		health_number(run, "open_files_percent", NULL, health_percent(used, max), NULL);
	health_read(run, "/proc/loadavg", text, sizeof text);
	if (sscanf(text, "%*f %*f %*f %*f/%lf", &threads) == 1 &&
	    health_read_number(run, "/proc/sys/kernel/pid_max", &max))
		health_number(run, "threads_percent", NULL, health_percent(threads, max), NULL);
}

/* Bits of /proc/sys/kernel/tainted (Documentation/admin-guide/tainted-kernels.rst). */
static const struct taint {
	unsigned bit;
	bool is_fault;
	const char *text;
} taints[] = {
	{0, false, "proprietary module"},
	{1, false, "module loaded by force"},
	{2, false, "out of specification"},
	{3, false, "module unloaded by force"},
	{4, true, "machine check: the hardware has reported an error"},
	{5, true, "bad page"},
	{6, false, "taint asked for by user space"},
	{7, true, "the kernel has died (oops or BUG)"},
	{8, false, "ACPI table overridden"},
	{9, true, "a kernel warning"},
	{10, false, "staging driver"},
	{11, false, "workaround for a fault of the firmware"},
	{12, false, "out-of-tree module"},
	{13, false, "unsigned module"},
	{14, true, "soft lockup"},
	{15, false, "live patch"},
	{17, false, "randomised structures"},
};

static void tell_taint(struct health_run *run)
{
	tl_auto(tl_buf) struct tl_buf all = TL_BUF_INIT(1024);
	tl_auto(tl_buf) struct tl_buf faults = TL_BUF_INIT(1024);
	double value;

	if (!health_read_number(run, "/proc/sys/kernel/tainted", &value) || value < 0)
		return;
	for (size_t i = 0; i < TL_ARRAY_LEN(taints); i++) {
		if (!((uint64_t)value & (UINT64_C(1) << taints[i].bit)))
			continue;
		tl_buf_printf(&all, "%s%s", all.len ? ", " : "", taints[i].text);
		if (taints[i].is_fault)
			tl_buf_printf(&faults, "%s%s", faults.len ? ", " : "", taints[i].text);
	}
	health_number(run, "kernel_taint", NULL, value, all.len ? tl_buf_str(&all) : NULL);
	health_truth(run, "kernel_trouble", NULL, faults.len > 0,
		     faults.len ? tl_buf_str(&faults) : NULL);
}

/* What stands behind the version, "-amd64" or "-generic": kernels of other flavours do not replace this one.
 */
static const char *flavour(const char *release)
{
	const char *dash = strrchr(release, '-');

	return dash ? dash : "";
}

/* The newest kernel of this flavour that is installed, when it is newer than the running one. */
static bool find_newer(const struct health_run *run, const char *running, char *ret_release,
		       size_t room)
{
	tl_auto(tl_strv) struct tl_strv kernels = TL_STRV_INIT;
	bool newer = false;

	snprintf(ret_release, room, "%s", running);
	health_glob(run, "/boot/vmlinuz-*", 64, &kernels);
	for (size_t i = 0; i < kernels.count; i++) {
		const char *release = kernels.items[i] + strlen("/boot/vmlinuz-");

		if (!tl_streq(flavour(release), flavour(running)) ||
		    strverscmp(release, ret_release) <= 0)
			continue;
		snprintf(ret_release, room, "%s", release);
		newer = true;
	}
	return newer;
}

static bool running_release(const struct health_run *run, char release[static 128])
{
	size_t len = health_read(run, "/proc/sys/kernel/osrelease", release, 128);

	if (len > 0 && release[len - 1] == '\n')
		release[len - 1] = '\0';
	return len > 0;
}

static void tell_reboot(struct health_run *run)
{
	char running[128], newest[128], text[TL_HEALTH_TEXT_MAX], path[4096], packages[160];
	bool asked = health_path(run, "/run/reboot-required", path) && access(path, F_OK) == 0;

	if (asked) {
		size_t len =
			health_read(run, "/run/reboot-required.pkgs", packages, sizeof packages);

		for (size_t i = 0; i < len; i++)
			if (packages[i] == '\n')
				packages[i] = i + 1 < len ? ' ' : '\0';
		snprintf(text, sizeof text, "A package asked for a reboot%s%s", len ? ": " : "",
			 packages);
		health_truth(run, "reboot_pending", NULL, true, text);
	} else if (running_release(run, running) &&
		   find_newer(run, running, newest, sizeof newest)) {
		snprintf(text, sizeof text, "Kernel %.100s is installed, %.100s is running", newest,
			 running);
		health_truth(run, "reboot_pending", NULL, true, text);
	} else {
		health_truth(run, "reboot_pending", NULL, false, NULL);
	}
}

void health_probe_kernel(struct health_run *run)
{
	tell_limits(run);
	tell_taint(run);
	tell_reboot(run);
}
