#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <towline/attr.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/collector.h"

static const struct collector *row_at(size_t index)
{
	size_t count;
	const struct collector *rows = collectors_all(&count);

	return index < count ? &rows[index] : NULL;
}

static void the_table_fits_its_room(void **state TL_UNUSED)
{
	size_t count;

	collectors_all(&count);
	assert_true(count > 100 && count < COLLECTORS_MAX);
}

static void names_are_plain_and_unique(void **state TL_UNUSED)
{
	const struct collector *row, *other;

	for (size_t i = 0; (row = row_at(i)); i++) {
		assert_true(row->name[0] >= 'a' && row->name[0] <= 'z');
		assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(row->name));
		assert_true(strlen(row->name) < 40);
		for (size_t j = 0; j < i && (other = row_at(j)); j++)
			assert_string_not_equal(other->name, row->name);
	}
}

static void groups_stand_together_and_are_sorted(void **state TL_UNUSED)
{
	const struct collector *row, *before = NULL;

	for (size_t i = 0; (row = row_at(i)); i++, before = row)
		if (before && tl_streq(before->group, row->group))
			assert_true(strcmp(before->name, row->name) < 0);
		else
			for (size_t j = 0; j < i; j++)
				assert_string_not_equal(row_at(j)->group, row->group);
}

static void every_part_of_a_host_has_its_group(void **state TL_UNUSED)
{
	static const char *const groups[] = {"identity", "health",     "memory",       "processes",
					     "storage",	 "network",    "services",     "packages",
					     "security", "containers", "applications", "logs"};

	for (size_t i = 0; i < TL_ARRAY_LEN(groups); i++) {
		const struct collector *row = NULL;

		for (size_t j = 0; (row = row_at(j)) && !tl_streq(row->group, groups[i]); j++)
			continue;
		assert_non_null(row);
	}
}

static void every_row_says_what_it_takes_and_is_limited(void **state TL_UNUSED)
{
	const struct collector *row;

	for (size_t i = 0; (row = row_at(i)); i++) {
		size_t len = strlen(row->summary);

		assert_true(len > 5 && len < 100 && row->summary[len - 1] != '.');
		assert_true(row->max_bytes > 0 && row->max_bytes <= 64 << 20);
		assert_true(row->timeout_ms > 0 && row->timeout_ms <= 180000);
		if (row->kind == COLLECT_BUILTIN)
			assert_non_null(row->run);
		else
			assert_true(row->sources || row->kind == COLLECT_JOURNAL);
	}
}

static void a_quick_row_is_a_standard_row(void **state TL_UNUSED)
{
	const struct collector *row;

	for (size_t i = 0; (row = row_at(i)); i++)
		if (row->flags & COLLECT_QUICK)
			assert_true(row->flags & COLLECT_DEFAULT);
}

static void files_are_named_by_their_paths(void **state TL_UNUSED)
{
	const struct collector *row;

	for (size_t i = 0; (row = row_at(i)); i++) {
		if (row->kind != COLLECT_FILES && row->kind != COLLECT_KERNEL)
			continue;
		for (const char *const *source = row->sources; *source; source++) {
			assert_int_equal(**source, '/');
			assert_null(strstr(*source, "/../"));
			assert_null(strstr(*source, "shadow"));
			assert_false(tl_str_ends(*source, "/environ"));
		}
	}
}

static bool runs_a_program(const struct collector *row)
{
	return row->kind == COLLECT_COMMAND || row->run == collect_when ||
	       row->run == collect_each_interface || row->run == collect_each_disk ||
	       row->run == collect_each_array || row->run == collect_each_nvme ||
	       row->run == collect_each_line;
}

static void check_program(const char *program)
{
	static const char *const interpreters[] = {"sh",     "bash", "dash",  "ksh",
						   "zsh",    "env",  "awk",   "perl",
						   "python", "eval", "xargs", "sudo"};

	assert_true(tl_str_is_name(program, 64));
	for (size_t i = 0; i < TL_ARRAY_LEN(interpreters); i++)
		assert_string_not_equal(program, interpreters[i]);
}

static void commands_are_plain_programs_and_no_shell(void **state TL_UNUSED)
{
	const struct collector *row;

	for (size_t i = 0; (row = row_at(i)); i++) {
		const char *const *source = row->sources;

		if (!runs_a_program(row))
			continue;
		while (**source == '@')
			source++;
		check_program(*source);
		for (; *source; source++)
			if (tl_streq(*source, "--"))
				check_program(source[1]);
	}
}

/* A program that asks a daemon would have the system start it. */
static void clients_run_only_beside_their_daemon(void **state TL_UNUSED)
{
	static const char *const clients[] = {"docker",	    "podman",	   "ctr",
					      "crictl",	    "virsh",	   "nmcli",
					      "networkctl", "chronyc",	   "resolvectl",
					      "zpool",	    "snap",	   "sssctl",
					      "loginctl",   "timedatectl", "systemctl",
					      "psql",	    "nft",	   "wg",
					      "redis-cli",  "smbstatus",   "firewall-cmd"};
	const struct collector *row;

	for (size_t i = 0; (row = row_at(i)); i++)
		for (const char *const *source = row->sources; source && *source; source++)
			for (size_t j = 0; j < TL_ARRAY_LEN(clients); j++)
				if (runs_a_program(row) && tl_streq(*source, clients[j]))
					assert_int_equal(row->sources[0][0], '@');
}

/* docs/collectors.md has a line for each. */
static void the_documentation_names_every_row(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1 << 20);
	const struct collector *row;
	char line[256];
	bool missing = false;

	assert_int_equal(tl_fs_read_file(AT_FDCWD, COLLECTORS_DOC, &text, NULL), 0);
	for (size_t i = 0; (row = row_at(i)); i++) {
		const char *preset = row->flags & COLLECT_QUICK	    ? "quick"
				     : row->flags & COLLECT_DEFAULT ? "standard"
								    : "full";

		snprintf(line, sizeof line, "| `%s` | %s | %s%s |", row->name, row->summary, preset,
			 row->flags & COLLECT_PRIVILEGED ? ", root" : "");
		if (strstr(text.data, line))
			continue;
		missing = true;
		print_error("collectors.md lacks: %s\n", line);
	}
	assert_false(missing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_fits_its_room),
		cmocka_unit_test(names_are_plain_and_unique),
		cmocka_unit_test(groups_stand_together_and_are_sorted),
		cmocka_unit_test(every_part_of_a_host_has_its_group),
		cmocka_unit_test(every_row_says_what_it_takes_and_is_limited),
		cmocka_unit_test(a_quick_row_is_a_standard_row),
		cmocka_unit_test(files_are_named_by_their_paths),
		cmocka_unit_test(commands_are_plain_programs_and_no_shell),
		cmocka_unit_test(clients_run_only_beside_their_daemon),
		cmocka_unit_test(the_documentation_names_every_row),
	};

	return cmocka_run_group_tests_name("collect/table", tests, NULL, NULL);
}
