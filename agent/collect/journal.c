/* The system's journal through libsystemd: the newest entries of the last day, or those of the range that
 * was asked for, a JSON object a line, oldest first. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <towline/str.h>

#include "collect/collector.h"
#include "collect/journal_entry.h"

#define SPAN_S (24 * 3600)
#define SECOND_US 1000000
#define ENTRIES_MAX 1000000
#define STRIDE 128 /* one entry in so many is measured to find where to begin */
#define STRAY_US (60 * INT64_C(1000000)) /* entries are out of order by no more than this */
#define CHUNK (64 * 1024)		 /* lines are given away in pieces of about this size */

static inline void journal_auto_(sd_journal **journal)
{
	sd_journal_close(*journal);
}

struct reading {
	struct collect_context *context;
	sd_journal *journal;
	struct slice_range range;
	struct tl_buf lines;
	bool cut; /* older entries were left out */
	const char *status;
};

/* The row's matches as journalctl(1) understands them: the same field again is "or", "+" an "or" between
 * groups, UNIT= a unit's own messages and those about it. */
static int add_match(sd_journal *journal, const char *source)
{
	char match[512];
	int r;

	if (tl_streq(source, "+"))
		return sd_journal_add_disjunction(journal);
	if (!tl_str_starts(source, "UNIT="))
		return sd_journal_add_match(journal, source, 0);
	snprintf(match, sizeof match, "_SYSTEMD_%s", source);
	r = sd_journal_add_match(journal, match, 0);
	if (r >= 0)
		r = sd_journal_add_disjunction(journal);
	if (r >= 0)
		r = sd_journal_add_match(journal, source, 0);
	if (r >= 0)
		r = sd_journal_add_match(journal, "_PID=1", 0);
	return r < 0 ? r : sd_journal_add_disjunction(journal);
}

static int open_journal(const struct collect_context *context, sd_journal **ret_journal)
{
	tl_cleanup(journal_auto_) sd_journal *journal = NULL;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof path, "%s/var/log/journal", context->root);
	r = context->root[0] ? sd_journal_open_directory(&journal, path, 0)
			     : sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);
	for (const char *const *source = context->row->sources; r >= 0 && source && *source;
	     source++)
		r = add_match(journal, *source);
	if (r < 0)
		return r;
	sd_journal_set_data_threshold(journal, JOURNAL_FIELD_MAX);
	*ret_journal = tl_steal(&journal);
	return 0;
}

/* Goes to the newest entry of the range: false where there is none. */
static bool go_to_end(const struct reading *reading)
{
	sd_journal *journal = reading->journal;

	if (reading->range.until_us == INT64_MAX)
		return sd_journal_seek_tail(journal) >= 0 && sd_journal_previous(journal) > 0;
	return sd_journal_seek_realtime_usec(journal, (uint64_t)reading->range.until_us + 1) >= 0 &&
	       sd_journal_previous(journal) > 0;
}

static bool is_late(const struct collect_context *context)
{
	return tl_clock_mono_ms(context->clock) >= context->deadline_ms;
}

/* Bytes of the entry that the journal is at. */
static size_t measure(struct reading *reading)
{
	struct tl_err err = TL_ERR_INIT;
	int r;

	tl_buf_reset(&reading->lines);
	r = journal_entry_write(reading->journal, NULL, NULL, &reading->lines, &err);
	return r < 0 ? JOURNAL_LINE_MAX : reading->lines.len;
}

/* So many entries further back still fit, going by the length of the one that the journal is at. */
static uint64_t stride(struct reading *reading, uint64_t *left)
{
	size_t len = measure(reading) + 1;
	uint64_t count = *left / len < STRIDE ? *left / len : STRIDE;

	*left -= count * len;
	return count;
}

static bool is_before(const struct reading *reading)
{
	uint64_t at_us = 0;

	return sd_journal_get_realtime_usec(reading->journal, &at_us) >= 0 &&
	       (int64_t)at_us < reading->range.since_us;
}

/* Goes back from the end until the range or the row's bytes are used up: false where nothing is in the
 * range. *ret_first: the journal is at the first entry to look at; else before it. */
static bool go_to_begin(struct reading *reading, bool *ret_first)
{
	uint64_t left = reading->context->row->max_bytes / 10 * 9, entries = 0;

	if (!go_to_end(reading) || is_before(reading))
		return false;
	for (;;) {
		uint64_t count = stride(reading, &left);
		int n = count > 0 ? sd_journal_previous_skip(reading->journal, count) : 0;

		entries += count;
		reading->cut =
			n == (int)count && !is_before(reading) &&
			(count < STRIDE || entries >= ENTRIES_MAX || is_late(reading->context));
		*ret_first = n < (int)count || reading->cut;
		if (*ret_first || is_before(reading))
			return true;
	}
}

static int redact(void *arg, const char *text, size_t len, struct tl_buf *out, struct tl_err *err)
{
	return collect_member_redact(arg, text, len, out, err);
}

static int give_lines(struct reading *reading, struct tl_err *err)
{
	int r = 0;

	if (reading->lines.len > 0)
		r = collect_member_write(reading->context, reading->lines.data, reading->lines.len,
					 err);
	tl_buf_reset(&reading->lines);
	return r;
}

static void end_early(struct reading *reading, const char *status, const char *text)
{
	collect_note(reading->context, "journal", status, text);
	reading->status = status;
}

/* Writes the entry that the journal is at, where it is in the range: 1 to go on, 0 at the end. */
static int write_entry(struct reading *reading, struct tl_err *err)
{
	size_t before = reading->lines.len;
	uint64_t at_us = 0;
	int r;

	if (sd_journal_get_realtime_usec(reading->journal, &at_us) < 0 ||
	    (int64_t)at_us < reading->range.since_us)
		return 1;
	if (reading->range.until_us != INT64_MAX && (int64_t)at_us > reading->range.until_us)
		return (int64_t)at_us - reading->range.until_us < STRAY_US;
	r = journal_entry_write(reading->journal, redact, reading->context, &reading->lines, err);
	if (r == TL_ETOOBIG) { /* an entry beyond all bounds is left out */
		reading->lines.len = before;
		reading->lines.failed = false;
		r = 0;
	}
	if (r == 0 && reading->lines.len >= CHUNK)
		r = give_lines(reading, err);
	return r < 0 ? r : 1;
}

static int write_entries(struct reading *reading, bool first, struct tl_err *err)
{
	struct collect_context *context = reading->context;
	int r = first ? 1 : sd_journal_next(reading->journal);

	tl_buf_reset(&reading->lines);
	while (r > 0) {
		r = write_entry(reading, err);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		if (collect_member_given(context) + reading->lines.len > context->row->max_bytes) {
			end_early(reading, "truncated", "its entries are longer than its limit");
			break;
		}
		if (is_late(context)) {
			end_early(reading, "timeout", "the collector's time was over");
			break;
		}
		r = sd_journal_next(reading->journal);
	}
	if (r < 0)
		end_early(reading, "failed", strerrordesc_np(-r));
	return give_lines(reading, err);
}

static int take(struct reading *reading, struct tl_err *err)
{
	struct collect_context *context = reading->context;
	const char *name = context->row->name;
	char path[128];
	struct bundle_member member = {.path = path, .mode = 0644};
	bool first = false;
	int r;

	if (!go_to_begin(reading, &first)) {
		context->outcome = "absent";
		return 0;
	}
	if (tl_str_starts(name, "journal"))
		name += strlen("journal");
	name += *name == '-';
	snprintf(path, sizeof path, "journal/%.64s.jsonl", *name ? name : "system");
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = write_entries(reading, first, err);
	if (r < 0)
		return r;
	if (reading->cut && tl_streq(reading->status, "ok"))
		end_early(reading, "truncated", "only its newest entries were taken");
	return collect_member_end(context, reading->status, err);
}

int collect_journal(struct collect_context *context, struct tl_err *err)
{
	tl_cleanup(journal_auto_) sd_journal *journal = NULL;
	struct reading reading = {
		.context = context,
		.range = {(context->started_s - SPAN_S) * SECOND_US, INT64_MAX},
		.status = "ok",
	};
	int r;

	if (open_journal(context, &journal) < 0) {
		context->outcome = "absent";
		return 0;
	}
	if (!slice_range_is_open(&context->range))
		reading.range = context->range;
	reading.journal = journal;
	tl_buf_init(&reading.lines, CHUNK + JOURNAL_LINE_MAX);
	r = take(&reading, err);
	tl_buf_clear(&reading.lines);
	return r;
}
