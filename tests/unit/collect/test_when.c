#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <towline/str.h>

#include "scene.h"

static const struct {
	const char *holds, *fails;
} conditions[] = {
	{"@process:dockerd", "@process:docker"}, {"@path:/run/here", "@path:/run/there"},
	{"@glob:/run/h*", "@glob:/run/t*"},	 {"@filled:/run/here", "@filled:/run/empty"},
	{"@module:zfs", "@module:xfs"},		 {"@filesystem:btrfs", "@filesystem:ext4"},
};

static void set_scene(struct stage *stage)
{
	stage_file(stage, "/proc/77/comm", "dockerd\n");
	stage_file(stage, "/proc/self/mounts", "/dev/sda1 / btrfs rw 0 0\n");
	stage_file(stage, "/run/here", "x");
	stage_file(stage, "/run/empty", "");
	stage_file(stage, "/sys/module/zfs/initstate", "live\n");
}

static void command_runs_where_its_condition_holds(void **state)
{
	struct stage *stage = *state;

	set_scene(stage);
	for (size_t i = 0; i < TL_ARRAY_LEN(conditions); i++) {
		scene_play(stage, collect_when, S(conditions[i].holds, "echo", "it ran"));
		assert_string_equal(stage_member(stage, "cmd/test/scene"), "it ran\n");
	}
}

static void command_is_absent_where_its_condition_fails(void **state)
{
	struct stage *stage = *state;

	set_scene(stage);
	for (size_t i = 0; i < TL_ARRAY_LEN(conditions); i++) {
		scene_play(stage, collect_when, S(conditions[i].fails, "echo", "it ran"));
		assert_null(stage_member(stage, "cmd/test/scene"));
		assert_string_equal(scene_outcome(stage), "absent");
	}
}

static void all_conditions_have_to_hold(void **state)
{
	struct stage *stage = *state;

	set_scene(stage);
	scene_play(stage, collect_when, S("@path:/run/here", "@module:xfs", "echo", "it ran"));
	assert_null(stage_member(stage, "cmd/test/scene"));
}

static void unknown_condition_never_holds(void **state)
{
	scene_play(*state, collect_when, S("@weather:good", "echo", "it ran"));
	assert_string_equal(scene_outcome(*state), "absent");
}

static void names_of_processes_are_cut_as_the_kernel_cuts_them(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/8/comm", "systemd-resolve\n");
	scene_play(stage, collect_when, S("@process:systemd-resolved", "echo", "it ran"));
	assert_string_equal(stage_member(stage, "cmd/test/scene"), "it ran\n");
}

static void real_interfaces_get_a_run_each(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/sys/class/net/lo/mtu", "65536\n");
	stage_file(stage, "/sys/class/net/eth0/device/vendor", "1\n");
	stage_file(stage, "/sys/class/net/eth1/device/vendor", "1\n");
	stage_file(stage, "/sys/class/net/bond0/bonding/mode", "active-backup 1\n");
	scene_play(stage, collect_each_interface, S("echo", "-i", "{}", "if={}."));
	assert_string_equal(stage_member(stage, "cmd/test/scene/eth0"), "-i eth0 if=eth0.\n");
	assert_string_equal(stage_member(stage, "cmd/test/scene/eth1"), "-i eth1 if=eth1.\n");
	assert_non_null(stage_member(stage, "cmd/test/scene/bond0"));
	assert_null(stage_member(stage, "cmd/test/scene/lo"));
}

static void disks_and_arrays_get_a_run_each(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/sys/block/sda/device/model", "disk\n");
	stage_file(stage, "/sys/block/loop0/size", "0\n");
	stage_file(stage, "/sys/block/md127/md/level", "raid1\n");
	scene_play(stage, collect_each_disk, S("echo", "/dev/{}"));
	assert_string_equal(stage_member(stage, "cmd/test/scene/sda"), "/dev/sda\n");
	assert_null(stage_member(stage, "cmd/test/scene/loop0"));
	scene_play(stage, collect_each_array, S("echo", "/dev/{}"));
	assert_string_equal(stage_member(stage, "cmd/test/scene/md127"), "/dev/md127\n");
	assert_null(stage_member(stage, "cmd/test/scene/sda"));
}

static void lines_of_a_command_get_a_run_each(void **state)
{
	scene_play(*state, collect_each_line,
		   S("printf", "one\\n\\ntwo\\n", "--", "echo", "got", "{}"));
	assert_string_equal(stage_member(*state, "cmd/test/scene/one"), "got one\n");
	assert_string_equal(stage_member(*state, "cmd/test/scene/two"), "got two\n");
}

static void line_that_could_be_an_option_or_a_path_is_no_object(void **state)
{
	const struct stage *stage = *state;
	const char *path;
	json_t *text;
	int runs = 0;

	scene_play(*state, collect_each_line,
		   S("printf", "%s\\n", "--force", "../x", "a b", "a;b", "fine", "--", "echo",
		     "{}"));
	json_object_foreach(stage->members, path, text)
	{
		runs += tl_str_starts(path, "cmd/") && !tl_str_ends(path, ".meta.json");
	}
	assert_int_equal(runs, 1);
	assert_string_equal(stage_member(stage, "cmd/test/scene/fine"), "fine\n");
}

static void endless_list_of_objects_is_cut_and_said_so(void **state)
{
	scene_play(*state, collect_each_line, S("seq", "1", "500", "--", "echo", "{}"));
	assert_non_null(stage_member(*state, "cmd/test/scene/1"));
	assert_null(stage_member(*state, "cmd/test/scene/500"));
	assert_true(stage_noted(*state, "echo", "truncated"));
}

static void missing_lister_is_absent(void **state)
{
	scene_play(*state, collect_each_line, S("no-such-program", "--", "echo", "{}"));
	assert_string_equal(scene_outcome(*state), "absent");
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(command_runs_where_its_condition_holds),
		STAGED(command_is_absent_where_its_condition_fails),
		STAGED(all_conditions_have_to_hold),
		STAGED(unknown_condition_never_holds),
		STAGED(names_of_processes_are_cut_as_the_kernel_cuts_them),
		STAGED(real_interfaces_get_a_run_each),
		STAGED(disks_and_arrays_get_a_run_each),
		STAGED(lines_of_a_command_get_a_run_each),
		STAGED(line_that_could_be_an_option_or_a_path_is_no_object),
		STAGED(endless_list_of_objects_is_cut_and_said_so),
		STAGED(missing_lister_is_absent),
	};

	return cmocka_run_group_tests_name("collect/when", tests, NULL, NULL);
}
