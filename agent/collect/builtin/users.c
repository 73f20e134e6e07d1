/* Accounts and groups of the host's own files. The field of the password is looked at, never taken: in
 * place of a hash stands that there is one, since an old passwd(5) may still hold it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"

#define FILE_MAX (8u * 1024 * 1024)
#define ACCOUNTS_MAX 20000

static const char *password_state(const char *field)
{
	if (!*field)
		return "none";
	if (tl_streq(field, "x"))
		return "elsewhere";
	return *field == '*' || *field == '!' ? "locked" : "here";
}

static json_t *account(char *const fields[7])
{
	return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:o}", "kind", "user", "password",
			 password_state(fields[1]), "uid", strtoll(fields[2], NULL, 10), "gid",
			 strtoll(fields[3], NULL, 10), "comment", snapshot_text(fields[4]), "home",
			 snapshot_text(fields[5]), "shell", snapshot_text(fields[6]));
}

static json_t *group(char *const fields[7])
{
	return json_pack("{s:s, s:I, s:o}", "kind", "group", "gid", strtoll(fields[2], NULL, 10),
			 "members", snapshot_text(fields[3]));
}

static void read_database(const struct collect_context *context, const char *path, size_t wanted,
			  json_t *(*make)(char *const fields[7]), json_t *items)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FILE_MAX);
	char *rest, *line, name[320];

	if (snapshot_load(context, path, &text) == 0)
		return;
	rest = text.data;
	while ((line = snapshot_line(&rest)) && json_array_size(items) < ACCOUNTS_MAX) {
		char *fields[7] = {NULL};
		size_t count = 0;

		for (char *field = strsep(&line, ":"); field && count < 7;
		     field = strsep(&line, ":"))
			fields[count++] = field;
		if (count < wanted || !fields[0][0] || strchr("#+-", fields[0][0]))
			continue;
		snprintf(name, sizeof name, "%s:%.256s", wanted == 7 ? "user" : "group", fields[0]);
		snapshot_add(items, name, make(fields));
	}
}

int collect_users(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();

	read_database(context, "/etc/passwd", 7, account, items);
	read_database(context, "/etc/group", 4, group, items);
	return snapshot_write(context, "users", items, err);
}
