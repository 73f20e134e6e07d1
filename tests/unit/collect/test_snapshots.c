#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <towline/str.h>

#include "scene.h"

static const char *text_of(const json_t *item, const char *member)
{
	return json_string_value(json_object_get(item, member));
}

static json_int_t number_of(const json_t *item, const char *member)
{
	return json_integer_value(json_object_get(item, member));
}

static void settings_are_named_as_sysctl_names_them(void **state)
{
	struct stage *stage = *state;
	tl_json *plain = NULL, *dotted = NULL;

	stage_file(stage, "/proc/sys/net/ipv4/ip_forward", "1\n");
	stage_file(stage, "/proc/sys/net/ipv4/conf/eth0.5/rp_filter", "2\n");
	scene_play(stage, collect_sysctl, NULL);
	plain = scene_item(stage, "sysctl", "net.ipv4.ip_forward");
	dotted = scene_item(stage, "sysctl", "net.ipv4.conf.eth0/5.rp_filter");
	assert_string_equal(text_of(plain, "value"), "1");
	assert_string_equal(text_of(dotted, "value"), "2");
}

static void secret_settings_and_counters_are_left_out(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/sys/net/ipv6/conf/all/stable_secret", "2001:db8::1\n");
	stage_file(stage, "/proc/sys/net/ipv4/tcp_fastopen_key", "0123-4567\n");
	stage_file(stage, "/proc/sys/kernel/random/uuid", "1234\n");
	stage_file(stage, "/proc/sys/fs/file-nr", "1 2 3\n");
	scene_play(stage, collect_sysctl, NULL);
	assert_string_equal(stage_member(stage, "snapshot/sysctl.json"),
			    "{\"items\":[],\"schema\":1}\n");
}

static void modules_have_their_size_users_and_taint(void **state)
{
	struct stage *stage = *state;
	tl_json *ours = NULL, *other = NULL;

	stage_file(stage, "/proc/modules",
		   "nvidia 1000 2 drm,video, Live 0x0 (POE)\next4 2000 1 - Live 0x0\nbad\n");
	stage_file(stage, "/sys/module/nvidia/version", "550.1\n");
	scene_play(stage, collect_modules, NULL);
	ours = scene_item(stage, "modules", "nvidia");
	other = scene_item(stage, "modules", "ext4");
	assert_int_equal(number_of(ours, "bytes"), 1000);
	assert_string_equal(text_of(ours, "taint"), "(POE)");
	assert_string_equal(text_of(ours, "version"), "550.1");
	assert_null(json_object_get(other, "taint"));
}

static void accounts_are_typed_and_no_hash_is_taken(void **state)
{
	struct stage *stage = *state;
	tl_json *old = NULL, *group = NULL;

	stage_file(stage, "/etc/passwd",
		   "root:x:0:0:root:/root:/bin/bash\n"
		   "old:$6$salt$abcdefgh:1001:1001::/home/old:/bin/sh\n+nis\nshort:x\n");
	stage_file(stage, "/etc/group", "adm:x:4:alice,bob\n");
	scene_play(stage, collect_users, NULL);
	old = scene_item(stage, "users", "user:old");
	group = scene_item(stage, "users", "group:adm");
	assert_int_equal(number_of(old, "uid"), 1001);
	assert_string_equal(text_of(old, "password"), "here");
	assert_null(strstr(stage_member(stage, "snapshot/users.json"), "$6$"));
	assert_string_equal(text_of(group, "members"), "alice,bob");
	assert_null(scene_item(stage, "users", "user:short"));
}

static void mounts_have_their_options_and_space(void **state)
{
	struct stage *stage = *state;
	tl_json *root = NULL, *again = NULL, *remote = NULL;

	stage_file(stage, "/mnt/a b/x", "");
	stage_file(stage, "/proc/self/mountinfo",
		   "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		   "23 22 8:2 / /mnt/a\\040b ro,nosuid - xfs /dev/sdb1 ro\n"
		   "24 22 8:2 / /mnt/a\\040b rw - tmpfs tmpfs rw\n"
		   "25 22 0:3 / / rw - nfs4 server:/x rw\nnonsense\n");
	scene_play(stage, collect_mounts, NULL);
	root = scene_item(stage, "mounts", "/");
	again = scene_item(stage, "mounts", "/mnt/a b");
	remote = scene_item(stage, "mounts", "/#2");
	assert_string_equal(text_of(root, "source"), "/dev/sda1");
	assert_true(number_of(root, "bytes") > 0);
	assert_true(json_is_true(json_object_get(again, "read_only")));
	assert_string_equal(text_of(remote, "type"), "nfs4");
	assert_null(json_object_get(remote, "bytes"));
}

static void limits_stand_beside_their_use(void **state)
{
	struct stage *stage = *state;
	tl_json *files = NULL, *threads = NULL, *ports = NULL;

	stage_file(stage, "/proc/sys/fs/file-nr", "900\t0\t1000\n");
	stage_file(stage, "/proc/sys/fs/file-max", "1000\n");
	stage_file(stage, "/proc/loadavg", "0.1 0.2 0.3 2/345 999\n");
	stage_file(stage, "/proc/sys/kernel/threads-max", "500\n");
	stage_file(stage, "/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
	scene_play(stage, collect_limits, NULL);
	files = scene_item(stage, "limits", "files_open");
	threads = scene_item(stage, "limits", "threads");
	ports = scene_item(stage, "limits", "local_ports");
	assert_int_equal(number_of(files, "used"), 900);
	assert_int_equal(number_of(files, "limit"), 1000);
	assert_int_equal(number_of(threads, "used"), 345);
	assert_int_equal(number_of(ports, "limit"), 28232);
	assert_null(scene_item(stage, "limits", "conntrack"));
}

static void held_and_broken_packages_are_found(void **state)
{
	struct stage *stage = *state;
	tl_json *held = NULL, *half = NULL;

	stage_file(stage, "/var/lib/dpkg/status",
		   "Package: held\nStatus: hold ok installed\nVersion: 1\n\n"
		   "Package: fine\nStatus: install ok installed\nVersion: 2\n\n"
		   "Package: gone\nStatus: deinstall ok config-files\nVersion: 3\n\n"
		   "Package: half\nStatus: install ok half-configured\nVersion: 4\n");
	scene_play(stage, collect_packages_held, NULL);
	held = scene_item(stage, "packages-held", "held");
	half = scene_item(stage, "packages-held", "half");
	assert_non_null(held);
	assert_string_equal(text_of(half, "state"), "install ok half-configured");
	assert_null(scene_item(stage, "packages-held", "fine"));
	assert_null(scene_item(stage, "packages-held", "gone"));
}

static void changed_and_missing_settings_are_told_from_those_as_packaged(void **state)
{
	struct stage *stage = *state;
	tl_json *changed = NULL, *missing = NULL;

	stage_file(stage, "/etc/same.conf", "as it came\n");
	stage_file(stage, "/etc/changed.conf", "password=canary9\n");
	stage_file(stage, "/etc/old.conf", "whatever\n");
	stage_file(stage, "/var/lib/dpkg/status",
		   "Package: server\nConffiles:\n /etc/same.conf 702c3f46a855f76dbe6bf2a7b642c81d\n"
		   " /etc/changed.conf 702c3f46a855f76dbe6bf2a7b642c81d\n"
		   " /etc/missing.conf 702c3f46a855f76dbe6bf2a7b642c81d\n"
		   " /etc/old.conf 702c3f46a855f76dbe6bf2a7b642c81d obsolete\n"
		   "Description: x\n /etc/no.conf 702c3f46a855f76dbe6bf2a7b642c81d\n");
	scene_play(stage, collect_conffiles, NULL);
	changed = scene_item(stage, "conffiles", "/etc/changed.conf");
	missing = scene_item(stage, "conffiles", "/etc/missing.conf");
	assert_string_equal(text_of(changed, "state"), "changed");
	assert_string_equal(text_of(changed, "package"), "server");
	assert_string_equal(text_of(missing, "state"), "missing");
	assert_null(scene_item(stage, "conffiles", "/etc/same.conf"));
	assert_null(scene_item(stage, "conffiles", "/etc/old.conf"));
	assert_null(scene_item(stage, "conffiles", "/etc/no.conf"));
}

static void interfaces_have_state_speed_and_errors(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	stage_file(stage, "/sys/class/net/eth0/operstate", "up\n");
	stage_file(stage, "/sys/class/net/eth0/mtu", "9000\n");
	stage_file(stage, "/sys/class/net/eth0/statistics/rx_errors", "7\n");
	scene_link(stage, "/sys/class/net/eth0/device/driver", "../../../bus/pci/drivers/ixgbe");
	scene_play(stage, collect_interfaces, NULL);
	item = scene_item(stage, "interfaces", "eth0");
	assert_string_equal(text_of(item, "operstate"), "up");
	assert_int_equal(number_of(item, "mtu"), 9000);
	assert_int_equal(number_of(item, "rx_errors"), 7);
	assert_string_equal(text_of(item, "driver"), "ixgbe");
}

static void listener_is_joined_with_its_process(void **state)
{
	struct stage *stage = *state;
	tl_json *one = NULL, *other = NULL;

	stage_file(stage, "/proc/net/tcp",
		   "  sl  local_address rem_address st\n"
		   "   0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 1000 0 555 1\n"
		   "   1: 0100007F:1F91 0100007F:9999 01 0:0 00:0 0 1000 0 556 1\n");
	stage_file(stage, "/proc/net/tcp6",
		   "  sl\n   0: 00000000000000000000000001000000:0016 "
		   "00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 777 1\n");
	stage_file(stage, "/proc/42/comm", "server\n");
	scene_link(stage, "/proc/42/fd/3", "socket:[555]");
	scene_play(stage, collect_listeners, NULL);
	one = scene_item(stage, "listeners", "tcp 127.0.0.1:8080");
	other = scene_item(stage, "listeners", "tcp6 [::1]:22");
	assert_int_equal(number_of(one, "pid"), 42);
	assert_int_equal(number_of(one, "uid"), 1000);
	assert_string_equal(text_of(one, "process"), "server");
	assert_non_null(other);
	assert_null(json_object_get(other, "pid"));
	assert_null(scene_item(stage, "listeners", "tcp 127.0.0.1:8081"));
}

static void control_groups_are_walked_with_their_figures(void **state)
{
	struct stage *stage = *state;
	tl_json *service = NULL;

	stage_file(stage, "/sys/fs/cgroup/cgroup.procs", "");
	stage_file(stage, "/sys/fs/cgroup/system.slice/a.service/memory.current", "4096\n");
	stage_file(stage, "/sys/fs/cgroup/system.slice/a.service/memory.max", "max\n");
	stage_file(stage, "/sys/fs/cgroup/system.slice/a.service/memory.events",
		   "low 0\nhigh 3\nmax 0\noom 1\noom_kill 2\n");
	stage_file(stage, "/sys/fs/cgroup/system.slice/a.service/cpu.stat",
		   "usage_usec 10\nnr_throttled 5\n");
	stage_file(stage, "/sys/fs/cgroup/system.slice/a.service/memory.pressure",
		   "some avg10=0.00 avg60=12.50 avg300=1.00 total=9\n");
	scene_play(stage, collect_cgroups, NULL);
	service = scene_item(stage, "cgroups", "/system.slice/a.service");
	assert_int_equal(number_of(service, "memory_bytes"), 4096);
	assert_null(json_object_get(service, "memory_max"));
	assert_int_equal(number_of(service, "oom_kills"), 2);
	assert_int_equal(number_of(service, "oom"), 1);
	assert_int_equal(number_of(service, "throttled"), 5);
	assert_true(json_number_value(json_object_get(service, "memory_pressure_percent")) == 12.5);
}

static void ring_record_gets_wall_time_and_level(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/uptime", "100.00 5.00\n");
	stage_file(stage, "/dev/kmsg", "3,9,40000123,-;disk sda: I/O error\n DEVICE=b8:0\n");
	scene_play(stage, collect_kernel_log, NULL);
	/* the stage's clock stands at midnight */
	assert_string_equal(stage_member(stage, "logs/kernel.log"),
			    "2025-12-31T23:59:00.000Z [   40.000123] err: disk sda: I/O error\n");
}

static void units_are_read_from_their_paragraphs(void **state)
{
	struct stage *stage = *state;
	tl_json *service = NULL, *target = NULL;

	scene_play(stage, collect_units,
		   S("printf", "%s\\n", "Id=a.service", "ActiveState=failed", "NRestarts=7",
		     "MemoryCurrent=[not set]", "", "Id=b.target", "ActiveState=active"));
	service = scene_item(stage, "units", "a.service");
	target = scene_item(stage, "units", "b.target");
	assert_string_equal(text_of(service, "active"), "failed");
	assert_int_equal(number_of(service, "restarts"), 7);
	assert_null(json_object_get(service, "memory_bytes"));
	assert_string_equal(text_of(target, "active"), "active");
}

static void write_is_timed_and_nothing_is_left(void **state)
{
	struct stage *stage = *state;
	tl_json *facts = NULL;

	stage_file(stage, "/var/tmp/before", "");
	scene_play(stage, collect_fsync, S("/var/tmp"));
	facts = scene_json(stage, "snapshot/fsync.json");
	assert_true(number_of(facts, "rounds") > 0);
	assert_int_equal(remove(stage_path(stage, "/var/tmp/before")), 0);
	assert_int_equal(rmdir(stage_path(stage, "/var/tmp")), 0); /* it was empty */
}

static void clock_says_whether_it_is_synchronised(void **state)
{
	tl_json *facts = NULL;

	stage_file(*state, "/sys/class/rtc/rtc0/since_epoch", "1767225605\n");
	scene_play(*state, collect_time, NULL);
	facts = scene_json(*state, "snapshot/time.json");
	assert_int_equal(number_of(facts, "hardware_clock_ahead_s"), 5);
}

static void maker_and_marks_tell_of_virtual_machine_and_container(void **state)
{
	struct stage *stage = *state;
	tl_json *plain = NULL, *other = NULL;

	scene_play(stage, collect_identity, NULL);
	plain = scene_json(stage, "snapshot/identity.json");
	assert_string_equal(text_of(plain, "virtual_machine"), "none");
	assert_string_equal(text_of(plain, "container"), "none");
	stage_file(stage, "/sys/class/dmi/id/sys_vendor", "VMware, Inc.\n");
	stage_file(stage, "/.dockerenv", "");
	scene_play(stage, collect_identity, NULL);
	other = scene_json(stage, "snapshot/identity.json");
	assert_string_equal(text_of(other, "virtual_machine"), "vmware");
	assert_string_equal(text_of(other, "container"), "docker");
}

static void processor_tells_of_a_hypervisor_without_a_name(void **state)
{
	struct stage *stage = *state;
	tl_json *facts = NULL;

	stage_file(stage, "/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor lm\nx\n");
	scene_play(stage, collect_identity, NULL);
	facts = scene_json(stage, "snapshot/identity.json");
	assert_string_equal(text_of(facts, "virtual_machine"), "unknown");
}

static void configuration_of_the_kernel_is_unpacked(void **state)
{
	static const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
					       0x02, 0xff, 0x73, 0xf6, 0xf7, 0x73, 0xf3, 0x74,
					       0x8f, 0x77, 0xb4, 0xad, 0xe4, 0x02, 0x00, 0x8e,
					       0xb1, 0x80, 0xda, 0x0b, 0x00, 0x00, 0x00};
	struct stage *stage = *state;
	FILE *file;

	scene_play(stage, collect_kernel_config, NULL);
	assert_string_equal(scene_outcome(stage), "absent");
	stage_file(stage, "/proc/config.gz", "no archive");
	file = fopen(stage_path(stage, "/proc/config.gz"), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(packed, 1, sizeof packed, file), sizeof packed);
	fclose(file);
	scene_play(stage, collect_kernel_config, NULL);
	assert_string_equal(stage_member(stage, "root/proc/config"), "CONFIG_A=y\n");
}

static void single_values_are_kept_by_their_paths(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	stage_file(stage, "/sys/block/sda/queue/scheduler", "[mq-deadline] none\n");
	stage_file(stage, "/sys/block/sda/queue/empty", "");
	scene_play(stage, collect_values, S("/sys/block/*/queue/*", "/sys/none/*"));
	item = scene_item(stage, "values/scene", "/sys/block/sda/queue/scheduler");
	assert_string_equal(text_of(item, "value"), "[mq-deadline] none");
	assert_null(scene_item(stage, "values/scene", "/sys/block/sda/queue/empty"));
	scene_play(stage, collect_values, S("/sys/none/*"));
	assert_string_equal(scene_outcome(stage), "absent");
}

static void empty_host_gives_empty_snapshots(void **state)
{
	static scene_run *const runs[] = {collect_sysctl,     collect_modules,
					  collect_users,      collect_mounts,
					  collect_limits,     collect_packages_held,
					  collect_interfaces, collect_listeners,
					  collect_cgroups,    collect_kernel_log,
					  collect_blocked,    collect_process_files};

	for (size_t i = 0; i < TL_ARRAY_LEN(runs); i++) {
		scene_play(*state, runs[i], NULL);
		assert_string_not_equal(scene_outcome(*state), "failed");
	}
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(settings_are_named_as_sysctl_names_them),
		STAGED(secret_settings_and_counters_are_left_out),
		STAGED(modules_have_their_size_users_and_taint),
		STAGED(accounts_are_typed_and_no_hash_is_taken),
		STAGED(mounts_have_their_options_and_space),
		STAGED(limits_stand_beside_their_use),
		STAGED(held_and_broken_packages_are_found),
		STAGED(changed_and_missing_settings_are_told_from_those_as_packaged),
		STAGED(interfaces_have_state_speed_and_errors),
		STAGED(listener_is_joined_with_its_process),
		STAGED(control_groups_are_walked_with_their_figures),
		STAGED(ring_record_gets_wall_time_and_level),
		STAGED(units_are_read_from_their_paragraphs),
		STAGED(write_is_timed_and_nothing_is_left),
		STAGED(clock_says_whether_it_is_synchronised),
		STAGED(maker_and_marks_tell_of_virtual_machine_and_container),
		STAGED(processor_tells_of_a_hypervisor_without_a_name),
		STAGED(configuration_of_the_kernel_is_unpacked),
		STAGED(single_values_are_kept_by_their_paths),
		STAGED(empty_host_gives_empty_snapshots),
	};

	return cmocka_run_group_tests_name("collect/snapshots", tests, NULL, NULL);
}
