#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/collector.h"
#include "collect/interrupt.h"

#define DPKG_STATUS "/var/lib/dpkg/status"

enum field { FIELD_PACKAGE, FIELD_VERSION, FIELD_ARCHITECTURE, FIELD_STATUS, FIELD_COUNT };
static const char *const field_labels[FIELD_COUNT] = {
	[FIELD_PACKAGE] = "Package: ",
	[FIELD_VERSION] = "Version: ",
	[FIELD_ARCHITECTURE] = "Architecture: ",
	[FIELD_STATUS] = "Status: ",
};

struct paragraph {
	char values[FIELD_COUNT][256];
};

static void read_line(struct paragraph *paragraph, const char *line)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (tl_str_starts(line, field_labels[i]))
			snprintf(paragraph->values[i], sizeof paragraph->values[i], "%s",
				 line + strlen(field_labels[i]));
}

/* One package a line: name, version, architecture, state; separated by tabs. */
static int write_paragraph(struct collect_context *context, struct paragraph *paragraph,
			   struct tl_err *err)
{
	char line[1100];
	int len = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", paragraph->values[FIELD_PACKAGE],
			   paragraph->values[FIELD_VERSION], paragraph->values[FIELD_ARCHITECTURE],
			   paragraph->values[FIELD_STATUS]);
	bool empty = !paragraph->values[FIELD_PACKAGE][0];

	*paragraph = (struct paragraph){.values = {""}};
	return empty ? 0 : collect_member_write(context, line, (size_t)len, err);
}

static int read_status(struct collect_context *context, FILE *in, const char **ret_status,
		       struct tl_err *err)
{
	struct paragraph paragraph = {.values = {""}};
	tl_free char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int r = 0;

	while (r == 0 && (len = getline(&line, &room, in)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0]) {
			read_line(&paragraph, line);
			continue;
		}
		r = write_paragraph(context, &paragraph, err);
		if (r == 0)
			r = interrupt_check(err);
		if (collect_member_given(context) < context->row->max_bytes &&
		    !collect_expired(context, DPKG_STATUS))
			continue;
		collect_note(context, DPKG_STATUS, "truncated", "not all packages are listed");
		*ret_status = "truncated";
		return r;
	}
	return r < 0 ? r : write_paragraph(context, &paragraph, err);
}

static inline void file_auto_(FILE **file)
{
	if (*file)
		fclose(*file);
}

int collect_packages(struct collect_context *context, struct tl_err *err)
{
	struct bundle_member member = {.path = "snapshot/packages.tsv", .mode = 0644};
	const char *status = "ok";
	char path[PATH_MAX];
	tl_cleanup(file_auto_) FILE *in = NULL;
	int r;

	snprintf(path, sizeof path, "%s%s", context->root, DPKG_STATUS);
	in = fopen(path, "re");
	if (!in) {
		context->outcome = "absent";
		if (errno != ENOENT)
			collect_note(context, DPKG_STATUS, "denied", strerrordesc_np(errno));
		return 0;
	}
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = read_status(context, in, &status, err);
	return r < 0 ? r : collect_member_end(context, status, err);
}

/* Held: chosen to stay. Otherwise of note: what is neither wholly installed nor wholly gone. */
static bool is_of_note(const char *state)
{
	return state[0] && !tl_str_ends(state, " ok installed") &&
	       !tl_str_ends(state, " ok not-installed") && !tl_str_ends(state, " ok config-files");
}

static void note_paragraph(json_t *items, struct paragraph *paragraph)
{
	const char *state = paragraph->values[FIELD_STATUS];

	if (paragraph->values[FIELD_PACKAGE][0] &&
	    (tl_str_starts(state, "hold ") || is_of_note(state)))
		snapshot_add(items, paragraph->values[FIELD_PACKAGE],
			     json_pack("{s:o, s:o}", "version",
				       snapshot_text(paragraph->values[FIELD_VERSION]), "state",
				       snapshot_text(state)));
	*paragraph = (struct paragraph){.values = {""}};
}

int collect_packages_held(struct collect_context *context, struct tl_err *err)
{
	struct paragraph paragraph = {.values = {""}};
	tl_json *items = json_array();
	char path[PATH_MAX];
	tl_cleanup(file_auto_) FILE *in = NULL;
	tl_free char *line = NULL;
	size_t room = 0;

	snprintf(path, sizeof path, "%s%s", context->root, DPKG_STATUS);
	in = fopen(path, "re");
	if (!in) {
		context->outcome = "absent";
		return 0;
	}
	while (getline(&line, &room, in) > 0 && !collect_expired(context, DPKG_STATUS)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			read_line(&paragraph, line);
		else
			note_paragraph(items, &paragraph);
	}
	note_paragraph(items, &paragraph);
	return snapshot_write(context, "packages-held", items, err);
}
