#include "collect/builtin/virtualization.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/kernel.h"

/* What makers write into their tables; the first that fits. */
static const struct {
	const char *path, *begins, *machine;
} makers[] = {
	{"/sys/class/dmi/id/product_name", "KVM", "kvm"},
	{"/sys/class/dmi/id/product_name", "OpenStack", "openstack"},
	{"/sys/class/dmi/id/product_name", "Google Compute Engine", "google"},
	{"/sys/class/dmi/id/product_name", "VirtualBox", "virtualbox"},
	{"/sys/class/dmi/id/product_name", "VMware", "vmware"},
	{"/sys/class/dmi/id/product_name", "Virtual Machine", "hyper-v"},
	{"/sys/class/dmi/id/sys_vendor", "QEMU", "qemu"},
	{"/sys/class/dmi/id/sys_vendor", "VMware", "vmware"},
	{"/sys/class/dmi/id/sys_vendor", "innotek GmbH", "virtualbox"},
	{"/sys/class/dmi/id/sys_vendor", "Xen", "xen"},
	{"/sys/class/dmi/id/sys_vendor", "Amazon EC2", "amazon"},
	{"/sys/class/dmi/id/sys_vendor", "Parallels", "parallels"},
	{"/sys/class/dmi/id/sys_vendor", "Nutanix", "nutanix"},
	{"/sys/class/dmi/id/sys_vendor", "DigitalOcean", "digitalocean"},
	{"/sys/class/dmi/id/sys_vendor", "Hetzner", "hetzner"},
	{"/sys/class/dmi/id/sys_vendor", "BHYVE", "bhyve"},
	{"/sys/class/dmi/id/bios_vendor", "Xen", "xen"},
	{"/sys/class/dmi/id/bios_vendor", "BHYVE", "bhyve"},
	{"/sys/class/dmi/id/bios_vendor", "SeaBIOS", "qemu"},
	{"/sys/hypervisor/type", "xen", "xen"},
	{"/proc/device-tree/hypervisor/compatible", "linux,kvm", "kvm"},
	{"/proc/device-tree/hypervisor/compatible", "xen", "xen"},
};

static const struct {
	const char *path, *container;
} marks[] = {
	{"/.dockerenv", "docker"},
	{"/run/.containerenv", "podman"},
	{"/proc/vz/veinfo", "openvz"},
	{"/dev/lxd/sock", "lxd"},
};

/* The flags of the first processor say whether it runs under a hypervisor. */
static bool processor_is_virtual(const struct collect_context *context)
{
	char text[16384];
	const char *flags;

	kernel_read(context, "/proc/cpuinfo", text, sizeof text);
	flags = strstr(text, "\nflags");
	return flags && memmem(flags, strcspn(flags + 1, "\n") + 1, " hypervisor", 11);
}

const char *virtualization_machine(const struct collect_context *context)
{
	char text[256];

	kernel_read(context, "/proc/xen/capabilities", text, sizeof text);
	if (strstr(text, "control_d"))
		return "none"; /* the machine that hosts the others */
	for (size_t i = 0; i < TL_ARRAY_LEN(makers); i++) {
		kernel_read(context, makers[i].path, text, sizeof text);
		if (tl_str_starts(text, makers[i].begins))
			return makers[i].machine;
	}
	kernel_read(context, "/proc/sysinfo", text, sizeof text); /* s390 */
	if (strstr(text, "VM00 Control Program"))
		return strstr(text, "z/VM") ? "z/vm" : "kvm";
	return processor_is_virtual(context) ? "unknown" : "none";
}

void virtualization_container(const struct collect_context *context, char name[static 32])
{
	char text[4096], full[PATH_MAX];
	struct stat status;

	kernel_read(context, "/run/systemd/container", name, 32);
	for (size_t i = 0; !name[0] && i < TL_ARRAY_LEN(marks); i++) {
		snprintf(full, sizeof full, "%s%s", context->root, marks[i].path);
		if (stat(full, &status) == 0)
			snprintf(name, 32, "%s", marks[i].container);
	}
	kernel_read(context, "/proc/1/cgroup", text, sizeof text);
	if (!name[0] && strstr(text, "kubepods"))
		snprintf(name, 32, "kubernetes");
	if (!name[0] && (strstr(text, "/lxc/") || strstr(text, "lxc.payload")))
		snprintf(name, 32, "lxc");
	if (!name[0])
		snprintf(name, 32, "none");
}
