/* The system's journal through libsystemd: the newest entries of the last day, a JSON object a line. */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <towline/str.h>

#include "collect/collector.h"
#include "collect/interrupt.h"

#define ENTRIES_MAX 50000
#define FIELD_MAX (16 * 1024)
#define SPAN_S (24 * 3600)

static const struct {
	const char *field, *member;
} journal_fields[] = {
	{"PRIORITY", "priority"},  {"SYSLOG_IDENTIFIER", "identifier"},
	{"_SYSTEMD_UNIT", "unit"}, {"_PID", "pid"},
	{"_UID", "uid"},	   {"_TRANSPORT", "transport"},
	{"MESSAGE", "message"},
};

static inline void journal_auto_(sd_journal **journal)
{
	sd_journal_close(*journal);
}

/* A field is redacted as the text that it is; escaped into JSON it would hide from the rules. */
static int add_field(struct collect_context *context, sd_journal *journal, size_t index,
		     json_t *entry, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(FIELD_MAX * 16);
	tl_auto(tl_buf) struct tl_buf printable = TL_BUF_INIT(FIELD_MAX * 64);
	size_t prefix = strlen(journal_fields[index].field) + 1;
	const void *data;
	size_t len;
	json_t *text;
	int r;

	if (sd_journal_get_data(journal, journal_fields[index].field, &data, &len) < 0 ||
	    len < prefix)
		return 0;
	r = collect_member_redact(context, (const char *)data + prefix, len - prefix, &clean, err);
	if (r < 0)
		return r;
	text = json_stringn(tl_buf_str(&clean), clean.len);
	if (!text) {
		tl_str_printable(&printable, tl_buf_str(&clean), clean.len);
		text = json_string(tl_buf_str(&printable));
	}
	json_object_set_new(entry, journal_fields[index].member, text);
	return 0;
}

static int write_entry(struct collect_context *context, sd_journal *journal, uint64_t at_us,
		       struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(FIELD_MAX * 128);
	tl_json *entry = json_object();
	char time[TL_TIME_TEXT];
	int r = 0;

	tl_time_rfc3339((int64_t)(at_us / 1000), time);
	json_object_set_new(entry, "time", json_string(time));
	for (size_t i = 0; r == 0 && i < TL_ARRAY_LEN(journal_fields); i++)
		r = add_field(context, journal, i, entry, err);
	if (r < 0)
		return r;
	tl_json_write(&line, entry);
	tl_buf_putc(&line, '\n');
	if (tl_buf_check(&line) < 0)
		return 0; /* an entry beyond all bounds is left out */
	return collect_member_write(context, line.data, line.len, err);
}

static int write_entries(struct collect_context *context, sd_journal *journal,
			 const char **ret_status, struct tl_err *err)
{
	uint64_t since_us = (uint64_t)(context->started_s - SPAN_S) * 1000000;
	int r = interrupt_check(err);

	while (r == 0 && sd_journal_next(journal) > 0) {
		uint64_t at_us = 0;

		if (sd_journal_get_realtime_usec(journal, &at_us) < 0 || at_us < since_us)
			continue;
		r = write_entry(context, journal, at_us, err);
		if (r == 0)
			r = interrupt_check(err);
		if (collect_member_given(context) < context->row->max_bytes &&
		    !collect_expired(context, "journal"))
			continue;
		collect_note(context, "journal", "truncated", "not all of its last day was taken");
		*ret_status = "truncated";
		break;
	}
	return r;
}

int collect_journal(struct collect_context *context, struct tl_err *err)
{
	struct bundle_member member = {.path = "journal/system.jsonl", .mode = 0644};
	tl_cleanup(journal_auto_) sd_journal *journal = NULL;
	const char *status = "ok";
	int r = context->root[0] ? -1 : sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);

	if (r < 0 || sd_journal_seek_tail(journal) < 0 ||
	    sd_journal_previous_skip(journal, ENTRIES_MAX) <= 0) {
		context->outcome = "absent";
		return 0;
	}
	sd_journal_previous(journal); /* the loop begins with a step forward */
	sd_journal_set_data_threshold(journal, FIELD_MAX);
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = write_entries(context, journal, &status, err);
	return r < 0 ? r : collect_member_end(context, status, err);
}
