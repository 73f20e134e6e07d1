/* What people and their players read of a recording. */
#include <string.h>
#include <towline/record.h>
#include <towline/str.h>

#include "record_reader.h"
#include "record_text.h"

static int export_header(const json_t *open_line, json_int_t started, FILE *out)
{
	tl_json *header =
		json_pack("{s:i,s:I,s:I,s:I}", "version", 2, "width",
			  json_integer_value(json_object_get(open_line, "columns")), "height",
			  json_integer_value(json_object_get(open_line, "rows")), "timestamp",
			  started);

	return header && json_dumpf(header, out, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0 &&
			       fputc('\n', out) != EOF
		       ? 0
		       : TL_EIO;
}

static int export_event(const struct tl_record_reader *reader, double begin, FILE *out)
{
	double at = tl_record_reader_time(reader) - begin;
	tl_json *event = NULL;

	if (tl_record_reader_is(reader, "o")) {
		event = json_pack("[f,s,O]", at, "o", json_object_get(reader->json, "d"));
	} else if (tl_record_reader_is(reader, "r")) {
		json_int_t columns = json_integer_value(json_object_get(reader->json, "columns"));
		json_int_t rows = json_integer_value(json_object_get(reader->json, "rows"));
		char size[48];

		snprintf(size, sizeof(size), "%lldx%lld", (long long)columns, (long long)rows);
		event = json_pack("[f,s,s]", at, "r", size);
	} else {
		return 0;
	}
	return event && json_dumpf(event, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 &&
			       fputc('\n', out) != EOF
		       ? 0
		       : TL_EIO;
}

int tl_record_export(FILE *in, unsigned channel, FILE *out, struct tl_err *err)
{
	tl_auto(tl_record_reader) struct tl_record_reader reader;
	bool found = false;
	json_int_t started = 0;
	double begin = 0;
	int rc = tl_record_reader_init(&reader, in, err);

	while (rc == 0 && (rc = tl_record_reader_next(&reader, err)) == 1) {
		json_int_t ch = json_integer_value(json_object_get(reader.json, "ch"));

		rc = 0;
		if (reader.lines == 1)
			started = json_integer_value(json_object_get(reader.json, "started"));
		if (!found && tl_record_reader_is(&reader, "open") &&
		    json_object_get(reader.json, "columns") && (channel == 0 || ch == channel)) {
			found = true;
			channel = (unsigned)ch;
			begin = tl_record_reader_time(&reader);
			rc = export_header(reader.json, started + (json_int_t)begin, out);
		} else if (found && ch == channel) {
			rc = export_event(&reader, begin, out);
		}
		if (rc == TL_EIO)
			tl_err_set(err, TL_EIO, "the terminal recording cannot be written");
		if (found && ch == channel && tl_record_reader_is(&reader, "close"))
			return rc;
	}
	if (rc == 0 && !found)
		return tl_err_set(err, TL_ENOENT, "the recording holds no such terminal");
	return rc;
}

/* ---- as text ---------------------------------------------------------------------------------- */

struct channel_text {
	struct channel_text *next;
	struct reading *reading;
	unsigned channel;
	struct tl_record_text text;
};

struct reading {
	unsigned only; /* the channel asked for; 0: all */
	int (*on_words)(void *arg, const struct tl_record_words *words);
	void *arg;
	struct channel_text *channels;
	unsigned count;
};

static void reading_clear(struct reading *reading)
{
	while (reading->channels) {
		struct channel_text *channel = reading->channels;

		reading->channels = channel->next;
		free(channel);
	}
}
TL_DEFINE_AUTO(reading, reading_clear);

static int on_output_line(void *arg, double at, const char *text)
{
	const struct channel_text *channel = arg;
	const struct tl_record_words words = {at, channel->channel, "output", text};

	return *text ? channel->reading->on_words(channel->reading->arg, &words) : 0;
}

/* Other texts are one line already; what controls a terminal is left out. */
static int say(const struct reading *reading, const struct tl_record_reader *reader,
	       const char *kind, const char *text)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(TL_RECORD_LINE_MAX);
	struct tl_record_words words = {tl_record_reader_time(reader),
					tl_record_reader_channel(reader), kind, NULL};

	for (; text && *text; text++)
		tl_buf_putc(&clean, (unsigned char)*text < ' ' || *text == 0x7F ? ' ' : *text);
	words.text = tl_buf_str(&clean);
	return clean.len > 0 ? reading->on_words(reading->arg, &words) : 0;
}

static struct channel_text **find_channel(struct reading *reading, unsigned number)
{
	struct channel_text **link = &reading->channels;

	while (*link && (*link)->channel != number)
		link = &(*link)->next;
	return link;
}

static int add_channel(struct reading *reading, unsigned number, struct tl_err *err)
{
	struct channel_text *channel;

	if (*find_channel(reading, number))
		return 0;
	if (reading->count == TL_RECORD_CHANNELS_MAX)
		return tl_err_set(err, TL_ETOOBIG, "the recording has too many channels at once");
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	channel->reading = reading;
	channel->channel = number;
	tl_record_text_init(&channel->text, on_output_line, channel);
	channel->next = reading->channels;
	reading->channels = channel;
	reading->count++;
	return 0;
}

static int end_channel(struct reading *reading, unsigned number)
{
	struct channel_text **link = find_channel(reading, number), *channel = *link;
	int rc = channel ? tl_record_text_end(&channel->text) : 0;

	if (!channel)
		return 0;
	*link = channel->next;
	free(channel);
	reading->count--;
	return rc;
}

static const char *text_of(const struct tl_record_reader *reader, const char *name)
{
	return json_string_value(json_object_get(reader->json, name));
}

static int read_file(const struct reading *reading, const struct tl_record_reader *reader)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(TL_RECORD_LINE_MAX);
	const char *op = text_of(reader, "op"), *path = text_of(reader, "path");
	const char *to = text_of(reader, "to");

	tl_buf_printf(&line, "%s %s", op ? op : "?", path ? path : "?");
	if (to)
		tl_buf_printf(&line, " to %s", to);
	return say(reading, reader, "file", tl_buf_str(&line));
}

static int read_words(struct reading *reading, const struct tl_record_reader *reader,
		      struct tl_err *err)
{
	unsigned number = tl_record_reader_channel(reader);
	int rc;

	if (reader->lines == 1 || (reading->only && number != reading->only))
		return 0;
	if (tl_record_reader_is(reader, "open"))
		return say(reading, reader, "command", text_of(reader, "command"));
	if (tl_record_reader_is(reader, "note"))
		return say(reading, reader, "note", text_of(reader, "text"));
	if (tl_record_reader_is(reader, "file"))
		return read_file(reading, reader);
	if (tl_record_reader_is(reader, "close"))
		return end_channel(reading, number);
	if (!tl_record_reader_is(reader, "o"))
		return 0;
	rc = add_channel(reading, number, err);
	if (rc == 0)
		rc = tl_record_text_feed(&(*find_channel(reading, number))->text,
					 tl_record_reader_time(reader), text_of(reader, "d"),
					 json_string_length(json_object_get(reader->json, "d")));
	return rc;
}

int tl_record_read_text(FILE *in, unsigned channel,
			int (*on_words)(void *arg, const struct tl_record_words *words), void *arg,
			struct tl_err *err)
{
	tl_auto(reading) struct reading reading = {.only = channel,
						   .on_words = on_words,
						   .arg = arg};
	tl_auto(tl_record_reader) struct tl_record_reader reader;
	int rc = tl_record_reader_init(&reader, in, err);

	while (rc == 0 && (rc = tl_record_reader_next(&reader, err)) == 1)
		rc = read_words(&reading, &reader, err);
	if (rc == 0 && reader.lines == 0)
		return tl_err_set(err, TL_EINVAL, "this is not a recording: it is empty");
	while (rc == 0 && reading.channels)
		rc = end_channel(&reading, reading.channels->channel);
	return rc;
}
