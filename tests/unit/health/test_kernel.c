#include "stage.h"

#include <utime.h>

static void few_files_left_and_few_threads_left_are_bad(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/sys/fs/file-nr", "699\t0\t1000\n");
	stage_file(stage, "/proc/loadavg", "0 0 0 1/899 5\n");
	stage_file(stage, "/proc/sys/kernel/pid_max", "1000\n");
	stage_take(stage);
	assert_verdict(stage, "open_files_percent", NULL, "ok");
	assert_verdict(stage, "threads_percent", NULL, "warning");
	stage_file(stage, "/proc/sys/fs/file-nr", "900\t0\t1000\n");
	stage_take(stage);
	assert_verdict(stage, "open_files_percent", NULL, "critical");
}

static void a_module_from_elsewhere_taints_without_trouble(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/sys/kernel/tainted", "4097\n");
	stage_take(stage);
	assert_verdict(stage, "kernel_taint", NULL, NULL);
	assert_text(stage, "kernel_taint", NULL, "proprietary module, out-of-tree module");
	assert_verdict(stage, "kernel_trouble", NULL, "ok");
}

static void an_oops_is_trouble(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/sys/kernel/tainted", "640\n");
	stage_take(stage);
	assert_verdict(stage, "kernel_trouble", NULL, "warning");
	assert_text(stage, "kernel_trouble", NULL, "oops");
	assert_text(stage, "kernel_trouble", NULL, "kernel warning");
}

static void a_reboot_that_a_package_asked_for_is_pending(void **state)
{
	struct stage *stage = *state;

	stage_take(stage);
	assert_verdict(stage, "reboot_pending", NULL, "ok");
	stage_file(stage, "/run/reboot-required", "*** restart required ***\n");
	stage_file(stage, "/run/reboot-required.pkgs", "libc6\nlinux-base\n");
	stage_take(stage);
	assert_verdict(stage, "reboot_pending", NULL, "warning");
	assert_text(stage, "reboot_pending", NULL, "libc6 linux-base");
}

static void a_newer_kernel_of_the_same_flavour_waits_for_a_reboot(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/sys/kernel/osrelease", "6.1.0-9-amd64\n");
	stage_file(stage, "/boot/vmlinuz-6.1.0-9-amd64", "x");
	stage_file(stage, "/boot/vmlinuz-6.1.0-8-amd64", "x");
	stage_file(stage, "/boot/vmlinuz-6.5.0-1-rt", "x");
	stage_take(stage);
	assert_verdict(stage, "reboot_pending", NULL, "ok");
	stage_file(stage, "/boot/vmlinuz-6.1.0-10-amd64", "x");
	stage_take(stage);
	assert_verdict(stage, "reboot_pending", NULL, "warning");
	assert_text(stage, "reboot_pending", NULL, "6.1.0-10-amd64 is installed, 6.1.0-9-amd64");
}

/* `count` processes in one state, from `first` on. */
static void processes(const struct stage *stage, int first, int count, char state)
{
	for (int pid = first; pid < first + count; pid++) {
		char path[64];

		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		stage_file(stage, path, "%d (a) b) %c 1 1 1\n", pid, state);
	}
}

static void processes_are_counted_by_state(void **state)
{
	struct stage *stage = *state;

	processes(stage, 1, 3, 'S');
	processes(stage, 10, 20, 'Z');
	processes(stage, 50, 7, 'D');
	stage_take(stage);
	assert_float_equal(stage_number(stage, "processes", NULL), 30, 0);
	assert_verdict(stage, "zombies", NULL, "warning");
	assert_verdict(stage, "blocked_processes", NULL, "ok");
	processes(stage, 57, 1, 'D');
	stage_take(stage);
	assert_verdict(stage, "blocked_processes", NULL, "warning");
}

static void where_processes_are_hidden_the_kernels_sum_counts(void **state)
{
	struct stage *stage = *state;

	processes(stage, 700, 2, 'S'); /* one's own; that of init is not to be seen */
	stage_file(stage, "/proc/stat", "cpu 1\ncpu0 1\nprocs_blocked 64\n");
	stage_take(stage);
	assert_no_fact(stage, "processes");
	assert_no_fact(stage, "zombies");
	assert_verdict(stage, "blocked_processes", NULL, "critical");
}

static void the_highest_temperature_counts_and_absurd_ones_do_not(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/sys/class/hwmon/hwmon0/temp1_input", "41000\n");
	stage_file(stage, "/sys/class/hwmon/hwmon1/temp1_input", "84900\n");
	stage_file(stage, "/sys/class/hwmon/hwmon1/temp2_input", "255000\n");
	stage_take(stage);
	assert_float_equal(stage_number(stage, "temperature", NULL), 84.9, 0.001);
	assert_verdict(stage, "temperature", NULL, "ok");
	stage_file(stage, "/sys/class/hwmon/hwmon0/temp1_input", "95000\n");
	stage_take(stage);
	assert_verdict(stage, "temperature", NULL, "critical");
}

static void an_empty_battery_is_bad_while_it_is_used(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/sys/class/power_supply/BAT0/capacity", "6\n");
	stage_file(stage, "/sys/class/power_supply/BAT0/status", "Charging\n");
	stage_take(stage);
	assert_verdict(stage, "battery", "BAT0", NULL);
	stage_file(stage, "/sys/class/power_supply/BAT0/status", "Discharging\n");
	stage_take(stage);
	assert_verdict(stage, "battery", "BAT0", "critical");
	stage_file(stage, "/sys/class/power_supply/BAT0/capacity", "21\n");
	stage_take(stage);
	assert_verdict(stage, "battery", "BAT0", "ok");
}

static void updates_that_the_host_knows_of_are_told(void **state)
{
	struct stage *stage = *state;

	stage_take(stage);
	assert_no_fact(stage, "updates_pending");
	stage_file(stage, "/var/lib/update-notifier/updates-available",
		   "\n12 updates can be applied immediately.\n"
		   "3 of these updates are standard security updates.\n");
	stage_take(stage);
	assert_float_equal(stage_number(stage, "updates_pending", NULL), 12, 0);
	assert_verdict(stage, "security_updates_pending", NULL, "warning");
	stage_file(stage, "/var/lib/update-notifier/updates-available",
		   "\n0 updates can be applied immediately.\n");
	stage_take(stage);
	assert_verdict(stage, "security_updates_pending", NULL, "ok");
}

static void the_last_package_change_is_told_by_its_age(void **state)
{
	struct stage *stage = *state;
	struct utimbuf times = {.modtime = STAGE_NOW_MS / 1000 - 3600};

	stage_file(stage, "/var/lib/dpkg/status", "Package: a\n");
	utime(stage_path(stage, "/var/lib/dpkg/status"), &times);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "last_package_change", NULL), 3600, 0);
}

#define MD5_OF_DELIVERED "bd507a68fcde7dd6b42838cc34dcab77" /* of "delivered\n" */

static void changed_configuration_is_counted_and_named(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/same.conf", "delivered\n");
	stage_file(stage, "/etc/changed.conf", "changed\n");
	stage_file(stage, "/etc/old.conf", "changed\n");
	stage_file(stage, "/var/lib/dpkg/status",
		   "Package: a\nConffiles:\n /etc/same.conf %s\n /etc/changed.conf %s\n"
		   " /etc/old.conf %s obsolete\n /etc/missing.conf %s\nDescription: x\n"
		   " /etc/old.conf %s\n",
		   MD5_OF_DELIVERED, MD5_OF_DELIVERED, MD5_OF_DELIVERED, MD5_OF_DELIVERED,
		   MD5_OF_DELIVERED);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "changed_configuration_files", NULL), 1, 0);
	assert_text(stage, "changed_configuration_files", NULL, "/etc/changed.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(few_files_left_and_few_threads_left_are_bad),
		STAGE_TEST(a_module_from_elsewhere_taints_without_trouble),
		STAGE_TEST(an_oops_is_trouble),
		STAGE_TEST(a_reboot_that_a_package_asked_for_is_pending),
		STAGE_TEST(a_newer_kernel_of_the_same_flavour_waits_for_a_reboot),
		STAGE_TEST(processes_are_counted_by_state),
		STAGE_TEST(where_processes_are_hidden_the_kernels_sum_counts),
		STAGE_TEST(the_highest_temperature_counts_and_absurd_ones_do_not),
		STAGE_TEST(an_empty_battery_is_bad_while_it_is_used),
		STAGE_TEST(updates_that_the_host_knows_of_are_told),
		STAGE_TEST(the_last_package_change_is_told_by_its_age),
		STAGE_TEST(changed_configuration_is_counted_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
