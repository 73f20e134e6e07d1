/* Every CODE_FILE would be this one. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <towline/log.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <towline/clock.h>
#include <towline/str.h>

#define LINE_MAX_BYTES (16 * 1024)
#define FIELDS_MAX 24
#define JOURNAL_FIXED 3 /* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER */

static struct {
	pthread_mutex_t lock;
	const char *program;
	enum tl_log_format format;
	enum tl_log_level level;
	void (*sink)(void *arg, const char *line);
	void *sink_arg;
} logger = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.program = "towline",
	.format = TL_LOG_TEXT,
	.level = TL_LOG_INFO,
};

/* systemd.exec(5), JOURNAL_STREAM: device and inode of the stream that the journal reads. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

void tl_log_open(const char *program, enum tl_log_format format, enum tl_log_level level)
{
	if (format == TL_LOG_AUTO)
		format = stderr_is_journal() ? TL_LOG_JOURNAL : TL_LOG_TEXT;
	logger.program = program;
	logger.format = format;
	logger.level = level;
}

void tl_log_capture(void (*sink)(void *arg, const char *line), void *arg)
{
	pthread_mutex_lock(&logger.lock);
	logger.sink = sink;
	logger.sink_arg = arg;
	pthread_mutex_unlock(&logger.lock);
}

bool tl_log_enabled(enum tl_log_level level)
{
	return level <= logger.level;
}

static bool is_secret(const char *key)
{
	static const char *const secrets[] = {"password", "secret",	   "token",
					      "key",	  "authorization", "cookie"};

	for (size_t i = 0; i < TL_ARRAY_LEN(secrets); i++)
		if (strcasecmp(key, secrets[i]) == 0)
			return true;
	return false;
}

static const char *field_text(const struct tl_log_field *field, char number[static 24])
{
	if (is_secret(field->key))
		return "[redacted]";
	if (field->text)
		return field->text;
	snprintf(number, 24, "%lld", (long long)field->number);
	return number;
}

static const char *level_name(enum tl_log_level level)
{
	switch (level) {
	case TL_LOG_ERROR:
		return "error";
	case TL_LOG_WARNING:
		return "warning";
	case TL_LOG_INFO:
		return "info";
	case TL_LOG_DEBUG:
		break;
	}
	return "debug";
}

static void put_quoted(struct tl_buf *out, const char *text)
{
	bool plain = *text && strcspn(text, " \"=\\") == strlen(text);

	if (!plain)
		tl_buf_putc(out, '"');
	for (size_t i = 0, len = strlen(text); i < len;) {
		size_t run = strcspn(text + i, "\"");

		tl_str_printable(out, text + i, run);
		i += run;
		if (i < len) {
			tl_buf_puts(out, "\\\"");
			i++;
		}
	}
	if (!plain)
		tl_buf_putc(out, '"');
}

static void write_as_text(struct tl_buf *out, enum tl_log_level level, const char *message,
			  const struct tl_log_field *fields, size_t count)
{
	char time[TL_TIME_TEXT], number[24];

	tl_time_rfc3339(tl_clock_wall_ms(tl_clock_system()), time);
	tl_buf_printf(out, "%s %-7s %s: ", time, level_name(level), logger.program);
	tl_str_printable(out, message, strlen(message));
	for (size_t i = 0; i < count; i++) {
		tl_buf_printf(out, " %s=", fields[i].key);
		put_quoted(out, field_text(&fields[i], number));
	}
}

static void put_json_string(struct tl_buf *out, const char *text)
{
	tl_auto(tl_buf) struct tl_buf repaired = TL_BUF_INIT(LINE_MAX_BYTES);

	if (!tl_str_is_utf8(text, strlen(text))) {
		tl_str_printable(&repaired, text, strlen(text));
		text = tl_buf_str(&repaired);
	}
	tl_buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			tl_buf_printf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			tl_buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*text);
		else
			tl_buf_putc(out, *text);
	}
	tl_buf_putc(out, '"');
}

static void write_as_json(struct tl_buf *out, enum tl_log_level level, const char *message,
			  const struct tl_log_field *fields, size_t count)
{
	char time[TL_TIME_TEXT], number[24];

	tl_time_rfc3339(tl_clock_wall_ms(tl_clock_system()), time);
	tl_buf_printf(out,
		      "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"message\":", time,
		      level_name(level), logger.program);
	put_json_string(out, message);
	for (size_t i = 0; i < count; i++) {
		const char *text = field_text(&fields[i], number);

		tl_buf_printf(out, ",\"%s\":", fields[i].key);
		if (text == number)
			tl_buf_puts(out, text);
		else
			put_json_string(out, text);
	}
	tl_buf_putc(out, '}');
}

/* A line that outgrew its limit is cut with a mark, never dropped. */
static void end_line(struct tl_buf *line, enum tl_log_format format)
{
	if (!line->failed)
		return;
	line->failed = false;
	line->max += sizeof "\\u2026\"}";
	tl_buf_puts(line, format == TL_LOG_JSON ? "\\u2026\"}" : "…");
}

static void send_line(struct tl_buf *line)
{
	struct iovec parts[2] = {{line->data, line->len}, {(char[]){'\n'}, 1}};

	pthread_mutex_lock(&logger.lock);
	if (logger.sink)
		logger.sink(logger.sink_arg, line->data);
	else if (writev(STDERR_FILENO, parts, 2) < 0)
		line->failed = true; /* nowhere is left to report it */
	pthread_mutex_unlock(&logger.lock);
}

static void write_line(enum tl_log_level level, const char *message,
		       const struct tl_log_field *fields, size_t count)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(LINE_MAX_BYTES);

	if (logger.format == TL_LOG_JSON)
		write_as_json(&line, level, message, fields, count);
	else
		write_as_text(&line, level, message, fields, count);
	end_line(&line, logger.format);
	if (line.data)
		send_line(&line);
}

static struct iovec part_of(const struct tl_buf *buf, size_t start, size_t end)
{
	return (struct iovec){buf->data + start, end - start};
}

/* One buffer holds all fields; they are cut out of it only when it no longer moves. */
static void write_to_journal(enum tl_log_level level, const char *message,
			     const struct tl_log_field *fields, size_t count)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(LINE_MAX_BYTES);
	size_t ends[JOURNAL_FIXED + FIELDS_MAX];
	struct iovec parts[JOURNAL_FIXED + FIELDS_MAX];
	size_t parts_count = 0;
	char number[24];

	tl_buf_printf(&text, "MESSAGE=%s", message);
	ends[parts_count++] = text.len;
	tl_buf_printf(&text, "PRIORITY=%d", (int)level);
	ends[parts_count++] = text.len;
	tl_buf_printf(&text, "SYSLOG_IDENTIFIER=%s", logger.program);
	ends[parts_count++] = text.len;
	for (size_t i = 0; i < count && i < FIELDS_MAX; i++) {
		tl_buf_puts(&text, "TOWLINE_");
		for (const char *key = fields[i].key; *key; key++)
			tl_buf_putc(&text, *key >= 'a' && *key <= 'z' ? (char)(*key - 32) : *key);
		tl_buf_printf(&text, "=%s", field_text(&fields[i], number));
		ends[parts_count++] = text.len;
	}
	for (size_t i = 0; i < parts_count; i++)
		parts[i] = part_of(&text, i ? ends[i - 1] : 0, ends[i]);
	if (text.failed || sd_journal_sendv(parts, (int)parts_count) < 0)
		write_line(level, message, fields, count);
}

static void write_entry(enum tl_log_level level, const char *message,
			const struct tl_log_field *fields, size_t count)
{
	if (logger.format == TL_LOG_JOURNAL)
		write_to_journal(level, message, fields, count);
	else
		write_line(level, message, fields, count);
}

/* Counts the call in; false when the site has had its share of this window. *ret_dropped is what the
 * window before kept back. */
static bool admit(struct tl_log_site *site, unsigned *ret_dropped)
{
	int64_t now_ms = tl_clock_mono_ms(tl_clock_system());
	bool admitted;

	pthread_mutex_lock(&logger.lock);
	if (site->count == 0 || now_ms - site->window_start_ms >= TL_LOG_WINDOW_MS) {
		*ret_dropped = site->dropped;
		*site = (struct tl_log_site){.window_start_ms = now_ms};
	}
	admitted = site->count < TL_LOG_BURST;
	site->count += admitted;
	site->dropped += !admitted;
	pthread_mutex_unlock(&logger.lock);
	return admitted;
}

void tl_log_write(struct tl_log_site *site, enum tl_log_level level, const char *message,
		  const struct tl_log_field *fields, size_t count)
{
	unsigned dropped = 0;

	if (!tl_log_enabled(level) || !admit(site, &dropped))
		return;
	if (dropped)
		write_entry(level, "repeated lines were suppressed",
			    (struct tl_log_field[]){TL_I("suppressed", dropped),
						    TL_S("of", message)},
			    2);
	write_entry(level, message, fields, count);
}
