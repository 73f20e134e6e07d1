#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "scene.h"

#define STAT_REST " 1 7 7 0 -1 0 11 0 2 0 30 4 0 0 20 0 %d 0 5 1000 25 0\n"

static void add_process(struct stage *stage, int pid, const char *name, char mood, int threads)
{
	char path[64], stat[256];

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	snprintf(stat, sizeof stat, "%d (%s) %c" STAT_REST, pid, name, mood, threads);
	stage_file(stage, path, stat);
}

static void process_that_waits_in_the_kernel_shows_its_stack(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	add_process(stage, 7, "dd) D 1 (", 'D', 1);
	add_process(stage, 8, "fine", 'S', 1);
	stage_file(stage, "/proc/7/wchan", "io_schedule");
	stage_file(stage, "/proc/7/stack", "[<0>] io_schedule+0x1\n[<0>] do_read+0x2\n");
	scene_play(stage, collect_blocked, NULL);
	item = scene_item(stage, "blocked", "7");
	assert_string_equal(json_string_value(json_object_get(item, "command")), "dd) D 1 (");
	assert_string_equal(json_string_value(json_object_get(item, "waits_in")), "io_schedule");
	assert_int_equal(json_array_size(json_object_get(item, "stack")), 2);
	assert_null(scene_item(stage, "blocked", "8"));
}

static void thread_that_hangs_is_found_in_a_process_that_sleeps(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	add_process(stage, 7, "server", 'S', 2);
	stage_file(stage, "/proc/7/task/7/stat",
		   "7 (server) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 "
		   "2 0 5 1000 25 0\n");
	stage_file(stage, "/proc/7/task/9/stat",
		   "9 (writer) D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 "
		   "2 0 5 1000 25 0\n");
	scene_play(stage, collect_blocked, NULL);
	item = scene_item(stage, "blocked", "7/task/9");
	assert_string_equal(json_string_value(json_object_get(item, "command")), "writer");
}

static void zombie_names_who_has_to_bury_it(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	add_process(stage, 7, "dead", 'Z', 1);
	scene_play(stage, collect_blocked, NULL);
	item = scene_item(stage, "blocked", "7");
	assert_int_equal(json_integer_value(json_object_get(item, "parent")), 1);
	assert_null(json_object_get(item, "stack"));
}

static void descriptors_are_counted_beside_their_limit(void **state)
{
	struct stage *stage = *state;

	add_process(stage, 1, "init", 'S', 1);
	add_process(stage, 7, "server", 'S', 1);
	scene_link(stage, "/proc/7/fd/0", "/dev/null");
	scene_link(stage, "/proc/7/fd/1", "pipe:[1]");
	scene_link(stage, "/proc/7/fd/2", "socket:[2]");
	scene_link(stage, "/proc/7/fd/3", "anon_inode:[eventpoll]");
	scene_link(stage, "/proc/1/ns/net", "net:[1]");
	scene_link(stage, "/proc/7/ns/net", "net:[2]");
	stage_file(stage, "/proc/7/limits",
		   "Limit  Soft  Hard  Units\nMax open files            1024         4096     "
		   "files\n");
	scene_play(stage, collect_process_files, NULL);
	assert_non_null(strstr(stage_member(stage, "snapshot/process-files.tsv"),
			       "\n7\t4\t1024\t4096\t1\t1\t1\t1\t0\tnet:[2]\tserver\n"));
}

static void file_that_is_deleted_but_open_is_named_with_its_size(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;
	char target[256];

	add_process(stage, 7, "server", 'S', 1);
	/* what the kernel shows ends so; here a file of that very name stands behind the link */
	stage_file(stage, "/var/log/old (deleted)", "some bytes");
	snprintf(target, sizeof target, "%s", stage_path(stage, "/var/log/old (deleted)"));
	scene_link(stage, "/proc/7/fd/5", target);
	scene_play(stage, collect_process_files, NULL);
	item = scene_item(stage, "deleted-files", "7/5");
	assert_string_equal(json_string_value(json_object_get(item, "path")), target);
	assert_true(json_integer_value(json_object_get(item, "bytes")) > 0);
}

static void facts_of_a_process_are_typed(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	add_process(stage, 7, "server", 'S', 1);
	stage_file(stage, "/proc/7/status",
		   "Name:\tserver\nUid:\t0\t1\t2\t3\nVmRSS:\t  12 kB\nVmSwap:\t 4 kB\n"
		   "CapEff:\t00000000a80425fb\n");
	stage_file(stage, "/proc/7/io", "rchar: 1\nread_bytes: 4096\n");
	stage_file(stage, "/proc/7/oom_score_adj", "-1000\n");
	scene_link(stage, "/proc/7/exe", "/usr/bin/server");
	scene_play(stage, collect_process_facts, NULL);
	item = scene_item(stage, "process-facts", "7");
	assert_int_equal(json_integer_value(json_object_get(item, "rss_bytes")), 12288);
	assert_int_equal(json_integer_value(json_object_get(item, "swap_bytes")), 4096);
	assert_int_equal(json_integer_value(json_object_get(item, "read_bytes")), 4096);
	assert_string_equal(json_string_value(json_object_get(item, "uids")), "0 1 2 3");
	assert_string_equal(json_string_value(json_object_get(item, "oom_score_adj")), "-1000");
	assert_string_equal(json_string_value(json_object_get(item, "exe")), "/usr/bin/server");
	assert_null(json_object_get(item, "locked_bytes"));
}

static void open_files_and_replaced_libraries_are_named(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	add_process(stage, 7, "server", 'S', 1);
	scene_link(stage, "/proc/7/fd/10", "/var/log/a");
	scene_link(stage, "/proc/7/fd/9", "socket:[5]");
	stage_file(stage, "/proc/7/maps",
		   "7f00-7f01 r-xp 0 08:01 1 /usr/lib/libssl.so.3 (deleted)\n"
		   "7f01-7f02 r--p 0 08:01 1 /usr/lib/libssl.so.3 (deleted)\n"
		   "7f02-7f03 rw-s 0 00:01 2 /dev/zero (deleted)\n"
		   "7f03-7f04 rw-s 0 00:01 2 /usr/lib/fine.so\n");
	scene_play(stage, collect_open_files, NULL);
	assert_string_equal(stage_member(stage, "snapshot/open-files.tsv"),
			    "pid\tdescriptor\ttarget\n7\t9\tsocket:[5]\n7\t10\t/var/log/a\n");
	item = scene_item(stage, "outdated-libraries", "7 /usr/lib/libssl.so.3");
	assert_non_null(item);
	assert_null(strstr(stage_member(stage, "snapshot/outdated-libraries.json"), "zero"));
}

static void activity_has_shares_rates_and_the_busiest(void **state)
{
	struct stage *stage = *state;
	tl_json *facts = NULL;
	const json_t *disks, *top;

	add_process(stage, 7, "server", 'S', 1);
	stage_file(stage, "/proc/stat", "cpu  10 0 10 80 0 0 0 0 0 0\n");
	stage_file(stage, "/proc/diskstats",
		   "   8 0 sda 10 0 80 5 20 0 160 9 0 7 14 0 0 0 0 3 1\n"
		   "   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	stage_file(stage, "/proc/net/dev", "Inter-|\n face |\n  eth0: 1 2 3 4 0 0 0 0 5 6 7 8\n");
	stage_file(stage, "/proc/vmstat", "pgfault 5\npgmajfault 1\n");
	scene_play(stage, collect_activity, S("1"));
	facts = scene_json(stage, "snapshot/activity.json");
	disks = json_object_get(facts, "disks");
	assert_non_null(json_object_get(json_object_get(disks, "sda"), "busy_percent"));
	assert_null(json_object_get(disks, "loop0"));
	assert_non_null(json_object_get(json_object_get(facts, "interfaces"), "eth0"));
	assert_non_null(json_object_get(json_object_get(facts, "memory"), "pgmajfault"));
	top = json_array_get(json_object_get(facts, "top_memory"), 0);
	assert_string_equal(json_string_value(json_object_get(top, "command")), "server");
	assert_int_equal(json_integer_value(json_object_get(top, "rss_bytes")),
			 25 * sysconf(_SC_PAGESIZE));
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(process_that_waits_in_the_kernel_shows_its_stack),
		STAGED(thread_that_hangs_is_found_in_a_process_that_sleeps),
		STAGED(zombie_names_who_has_to_bury_it),
		STAGED(descriptors_are_counted_beside_their_limit),
		STAGED(file_that_is_deleted_but_open_is_named_with_its_size),
		STAGED(facts_of_a_process_are_typed),
		STAGED(open_files_and_replaced_libraries_are_named),
		STAGED(activity_has_shares_rates_and_the_busiest),
	};

	return cmocka_run_group_tests_name("collect/process_walk", tests, NULL, NULL);
}
