#include "collect/journal_entry.h"

#include <stdint.h>
#include <string.h>
#include <towline/clock.h>
#include <towline/json.h>
#include <towline/str.h>

/* Sorted by field. */
static const struct {
	const char *field, *member;
} fields[] = {
	{"CODE_FILE", "code_file"},
	{"CODE_FUNC", "code_func"},
	{"CODE_LINE", "code_line"},
	{"CONTAINER_NAME", "container"},
	{"COREDUMP_EXE", "core_exe"},
	{"COREDUMP_SIGNAL_NAME", "core_signal"},
	{"ERRNO", "errno"},
	{"EXIT_CODE", "exit_code"},
	{"EXIT_STATUS", "exit_status"},
	{"JOB_RESULT", "job_result"},
	{"MESSAGE", "message"},
	{"MESSAGE_ID", "message_id"},
	{"N_RESTARTS", "restarts"},
	{"PRIORITY", "priority"},
	{"SYSLOG_FACILITY", "facility"},
	{"SYSLOG_IDENTIFIER", "identifier"},
	{"UNIT", "about_unit"},
	{"UNIT_RESULT", "unit_result"},
	{"USER_UNIT", "about_user_unit"},
	{"_COMM", "command"},
	{"_KERNEL_DEVICE", "device"},
	{"_KERNEL_SUBSYSTEM", "subsystem"},
	{"_PID", "pid"},
	{"_SYSTEMD_UNIT", "unit"},
	{"_SYSTEMD_USER_UNIT", "user_unit"},
	{"_TRANSPORT", "transport"},
	{"_UID", "uid"},
};

_Static_assert(TL_ARRAY_LEN(fields) <= 32, "a bit each");

struct entry {
	journal_redact *redact;
	void *arg;
	struct tl_buf *out;
	uint32_t seen; /* a bit for each field: of several of a name the first counts */
};

static size_t find_field(const char *data, size_t len)
{
	size_t low = 0, high = TL_ARRAY_LEN(fields);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int r = strncmp(data, fields[middle].field, len);

		if (r == 0 && fields[middle].field[len])
			r = -1;
		if (r == 0)
			return middle;
		if (r < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return TL_ARRAY_LEN(fields);
}

static bool is_plain(const char *text, size_t len)
{
	unsigned char high = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
			return false;
		high |= c;
	}
	return high < 0x80 || tl_str_is_utf8(text, len);
}

/* A text that JSON has to escape is redacted as what it is: "\npassword" would hide a word's beginning.
 */
static int add_escaped(struct entry *entry, const char *text, size_t len, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT((size_t)JOURNAL_FIELD_MAX * 16);
	tl_auto(tl_buf) struct tl_buf printable = TL_BUF_INIT((size_t)JOURNAL_FIELD_MAX * 64);
	tl_json *json = NULL;
	int r = 0;

	if (entry->redact)
		r = entry->redact(entry->arg, text, len, &clean, err);
	else
		tl_buf_append(&clean, text, len);
	if (r < 0)
		return r;
	json = json_stringn(tl_buf_str(&clean), clean.len);
	if (!json) {
		tl_str_printable(&printable, tl_buf_str(&clean), clean.len);
		json = json_string(tl_buf_str(&printable));
	}
	tl_json_write(entry->out, json);
	return 0;
}

/* Of a long text the beginning, up to a blank: half a secret would look like none. */
static size_t cut_length(const char *text, size_t len)
{
	size_t cut = JOURNAL_FIELD_MAX;

	if (len <= JOURNAL_FIELD_MAX)
		return len;
	while (cut > JOURNAL_FIELD_MAX / 2 && text[cut] != ' ' && text[cut] != '\n')
		cut--;
	return cut;
}

static int add_field(struct entry *entry, const char *data, size_t len, struct tl_err *err)
{
	const char *equals = memchr(data, '=', len);
	size_t index = equals ? find_field(data, (size_t)(equals - data)) : TL_ARRAY_LEN(fields);
	const char *text = equals ? equals + 1 : NULL;

	if (index == TL_ARRAY_LEN(fields) || entry->seen & (UINT32_C(1) << index))
		return 0;
	entry->seen |= UINT32_C(1) << index;
	len = cut_length(text, len - (size_t)(text - data));
	tl_buf_puts(entry->out, ",\"");
	tl_buf_puts(entry->out, fields[index].member);
	tl_buf_puts(entry->out, "\":");
	if (!is_plain(text, len))
		return add_escaped(entry, text, len, err);
	tl_buf_putc(entry->out, '"');
	tl_buf_append(entry->out, text, len);
	tl_buf_putc(entry->out, '"');
	return 0;
}

static void add_time(struct tl_buf *out, sd_journal *journal)
{
	char time[TL_TIME_TEXT], boot[SD_ID128_STRING_MAX];
	uint64_t real_us = 0, mono_us = 0;
	sd_id128_t boot_id;

	sd_journal_get_realtime_usec(journal, &real_us);
	tl_time_rfc3339((int64_t)(real_us / 1000), time);
	tl_buf_printf(out, "{\"time\":\"%s\"", time);
	if (sd_journal_get_monotonic_usec(journal, &mono_us, &boot_id) >= 0)
		tl_buf_printf(out, ",\"boot\":\"%s\",\"mono_us\":%llu",
			      sd_id128_to_string(boot_id, boot), (unsigned long long)mono_us);
}

int journal_entry_write(sd_journal *journal, journal_redact *redact, void *arg, struct tl_buf *out,
			struct tl_err *err)
{
	struct entry entry = {.redact = redact, .arg = arg, .out = out};
	const void *data;
	size_t len;
	int r = 0;

	add_time(out, journal);
	sd_journal_restart_data(journal);
	while (r == 0 && sd_journal_enumerate_available_data(journal, &data, &len) > 0)
		r = add_field(&entry, data, len, err);
	if (r < 0)
		return r;
	tl_buf_puts(out, "}\n");
	return tl_buf_check(out);
}
