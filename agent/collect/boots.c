#include "collect/boots.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <towline/str.h>

#define BOOTS_MAX 4096
#define SECOND INT64_C(1000000)

int64_t boots_current_us(const char *root)
{
	char path[PATH_MAX], line[512];
	long long seconds = 0;
	FILE *in;

	snprintf(path, sizeof path, "%s/proc/stat", root);
	in = fopen(path, "re");
	if (!in)
		return 0;
	while (seconds == 0 && fgets(line, sizeof line, in))
		if (tl_str_starts(line, "btime "))
			seconds = strtoll(line + 6, NULL, 10);
	fclose(in);
	return seconds > 0 ? (int64_t)seconds * SECOND : 0;
}

struct boot {
	sd_id128_t id;
	struct slice_range range;
};

static inline void journal_auto_(sd_journal **journal)
{
	sd_journal_close(*journal);
}

static int seek_end(sd_journal *journal, bool last, uint64_t *ret_us)
{
	int r = last ? sd_journal_seek_tail(journal) : sd_journal_seek_head(journal);

	if (r >= 0)
		r = last ? sd_journal_previous(journal) : sd_journal_next(journal);
	return r > 0 ? sd_journal_get_realtime_usec(journal, ret_us) : -1;
}

/* When a boot's first and last entries were written; 0 or -1. */
static int read_boot(sd_journal *journal, struct boot *boot)
{
	char match[64] = "_BOOT_ID=";
	uint64_t first = 0, last = 0;

	sd_id128_to_string(boot->id, match + strlen(match));
	sd_journal_flush_matches(journal);
	if (sd_journal_add_match(journal, match, 0) < 0 || seek_end(journal, false, &first) < 0 ||
	    seek_end(journal, true, &last) < 0)
		return -1;
	boot->range = (struct slice_range){(int64_t)first, (int64_t)last};
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct boot *left = a, *right = b;

	return (left->range.since_us < right->range.since_us) -
	       (left->range.since_us > right->range.since_us);
}

/* The journal's boots, newest first; their number. */
static size_t list_boots(sd_journal *journal, struct boot *boots)
{
	const void *data;
	size_t len, count = 0, kept = 0;

	if (sd_journal_query_unique(journal, "_BOOT_ID") < 0)
		return 0;
	while (count < BOOTS_MAX && sd_journal_enumerate_unique(journal, &data, &len) > 0) {
		char id[64];

		snprintf(id, sizeof id, "%.*s", (int)(len < 63 ? len : 63), (const char *)data);
		if (tl_str_starts(id, "_BOOT_ID=") &&
		    sd_id128_from_string(id + strlen("_BOOT_ID="), &boots[count].id) >= 0)
			count++;
	}
	for (size_t i = 0; i < count; i++)
		if (read_boot(journal, &boots[i]) == 0)
			boots[kept++] = boots[i];
	qsort(boots, kept, sizeof *boots, newest_first);
	return kept;
}

struct wanted {
	int64_t offset; /* -1: the boot before this one */
	sd_id128_t id;
	bool by_id;
};

static int read_wanted(const char *which, struct wanted *wanted, struct tl_err *err)
{
	if (tl_str_i64(which, -BOOTS_MAX, 0, &wanted->offset) == 0)
		return 0;
	wanted->by_id = sd_id128_from_string(which, &wanted->id) >= 0;
	return wanted->by_id
		       ? 0
		       : tl_err_set(err, TL_EINVAL,
				    "\"%.64s\" is no boot: write 0, -1, -2 or a boot's id", which);
}

static bool is_wanted(const struct wanted *wanted, const struct boot *boot, size_t index)
{
	return wanted->by_id ? sd_id128_equal(boot->id, wanted->id)
			     : index == (size_t)-wanted->offset;
}

int boots_find(const char *which, int64_t current_us, struct slice_range *ret_range,
	       struct tl_err *err)
{
	tl_cleanup(journal_auto_) sd_journal *journal = NULL;
	tl_free struct boot *boots = NULL;
	struct wanted wanted = {.offset = 0};
	size_t count = 0;
	int r = read_wanted(which, &wanted, err);

	if (r < 0)
		return r;
	if (!wanted.by_id && wanted.offset == 0 && current_us > 0) {
		*ret_range = (struct slice_range){current_us, INT64_MAX};
		return 0;
	}
	boots = calloc(BOOTS_MAX, sizeof *boots);
	if (boots && sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY) >= 0)
		count = list_boots(journal, boots);
	for (size_t i = 0; i < count; i++)
		if (is_wanted(&wanted, &boots[i], i)) {
			*ret_range = boots[i].range;
			if (i == 0)
				ret_range->until_us = INT64_MAX;
			return 0;
		}
	return tl_err_set(err, TL_ENOENT, "the journal knows no boot \"%.64s\"", which);
}
