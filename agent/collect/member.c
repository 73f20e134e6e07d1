#include "collect/member.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <towline/bundle.h>
#include <towline/str.h>

#include "collect/findings.h"
#include "collect/frame.h"

#define NOTE_TEXT_MAX 1024
#define BINARY_LOOK 8192 /* a text has no NUL in its first bytes */
#define RATE_BURST (8u << 20)
#define NAP_MAX_MS 200
#define ROOT_DIR "root/" /* below it stand the host's files */

enum state {
	MEMBER_NONE,
	MEMBER_BEGUN,  /* not announced yet: it may turn out to be no text */
	MEMBER_GIVEN,  /* announced */
	MEMBER_SKIPPED /* what still comes is dropped */
};

struct member_stream {
	struct member_options options;
	struct tl_redactor *redactor; /* of the member in hand */
	struct tl_redactor *texts;    /* of names, notes and JSON */
	struct tl_analysis *analysis; /* NULL: nothing is looked for */
	struct tl_buf out;	      /* redacted, not sent yet */
	const struct collector *row;
	uint64_t row_given, row_max;
	int64_t row_started_ms;
	bool row_full;
	/* the member in hand */
	enum state state;
	char path[TL_BUNDLE_PATH_MAX];
	char source[TL_BUNDLE_PATH_MAX]; /* as rules know it */
	struct frame_member facts;
	uint64_t given;
	bool cut;
	json_t *hidden; /* rule → count in its name */
};

uint64_t member_row_max(const struct collector *row)
{
	uint64_t max = row->max_bytes * MEMBER_ROW_FACTOR;

	return max < MEMBER_ROW_MIN ? MEMBER_ROW_MIN : max;
}

int member_stream_new(const struct member_options *options, struct member_stream **ret_stream,
		      struct tl_err *err)
{
	tl_auto(member_stream) struct member_stream *stream = calloc(1, sizeof *stream);
	int r;

	if (!stream)
		return tl_err_set(err, TL_ENOMEM, "out of memory for a collecting process");
	stream->options = *options;
	if (!stream->options.bytes_per_s)
		stream->options.bytes_per_s = MEMBER_RATE;
	tl_buf_init(&stream->out, FRAME_PAYLOAD_MAX);
	stream->hidden = json_object();
	r = tl_redactor_new(options->rules, &tl_redact_limits_default, &stream->redactor, err);
	if (r == 0)
		r = tl_redactor_new(options->rules, &tl_redact_limits_default, &stream->texts, err);
	if (r == 0 && options->analyzers)
		r = tl_analysis_new(options->analyzers, &stream->analysis, err);
	if (r < 0)
		return r;
	tl_redactor_set_level(stream->redactor, options->level);
	tl_redactor_set_level(stream->texts, options->level);
	tl_redactor_set_identities(stream->redactor, options->identities);
	tl_redactor_set_identities(stream->texts, options->identities);
	*ret_stream = tl_steal(&stream);
	return 0;
}

void member_stream_free(struct member_stream *stream)
{
	if (!stream)
		return;
	tl_redactor_free(stream->redactor);
	tl_redactor_free(stream->texts);
	tl_analysis_free(stream->analysis);
	tl_buf_clear(&stream->out);
	json_decref(stream->hidden);
	free(stream);
}

void member_stream_row(struct member_stream *stream, const struct collector *row)
{
	stream->row = row;
	stream->row_given = 0;
	stream->row_max = member_row_max(row);
	stream->row_started_ms = tl_clock_mono_ms(tl_clock_system());
	stream->row_full = false;
	stream->state = MEMBER_NONE;
}

static int send_json(struct member_stream *stream, enum frame_kind kind, const json_t *json,
		     struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FRAME_PAYLOAD_MAX);

	tl_json_write(&text, json);
	if (tl_buf_check(&text) < 0)
		return tl_err_set(err, TL_ETOOBIG, "a collector's message is too large");
	return frame_send(stream->options.fd, kind, &text, NULL, err);
}

static int send_out(struct member_stream *stream, enum frame_kind kind, struct tl_err *err)
{
	int r = 0;

	if (stream->out.len > 0)
		r = frame_send(stream->options.fd, kind, &stream->out, NULL, err);
	tl_buf_reset(&stream->out);
	return r;
}

/* A tl_redact_output: gathers what comes in small pieces. */
static int to_frames(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct member_stream *stream = arg;
	const char *at = bytes;
	int r = 0;

	while (r == 0 && len > 0) {
		size_t room = FRAME_DATA_MAX - stream->out.len;
		size_t part = len < room ? len : room;

		tl_buf_append(&stream->out, at, part);
		if (tl_buf_check(&stream->out) < 0)
			return tl_err_set(err, TL_ENOMEM, "out of memory for a member");
		at += part;
		len -= part;
		if (stream->out.len == FRAME_DATA_MAX)
			r = send_out(stream, FRAME_DATA, err);
	}
	return r;
}

/* A short text, redacted into `out`; what was hidden is added to `counts`. */
static int redact_text(struct member_stream *stream, const char *text, size_t len,
		       struct tl_buf *out, json_t *counts, struct tl_err *err)
{
	int r = tl_redact_text(stream->texts, text, len, out, err);

	if (r == 0)
		tl_redactor_report(stream->texts, counts);
	return r;
}

/* Counts of what is in no member go by themselves. */
static int send_counts(struct member_stream *stream, json_t *counts, struct tl_err *err)
{
	int r = 0;

	if (json_object_size(counts) > 0)
		r = send_json(stream, FRAME_COUNTS, counts, err);
	json_object_clear(counts);
	return r;
}

int member_stream_canary(struct member_stream *stream, const char *text, struct tl_err *err)
{
	int r;

	tl_redactor_set_path(stream->redactor, NULL);
	tl_redactor_begin(stream->redactor, to_frames, stream);
	r = tl_redactor_feed(stream->redactor, text, strlen(text), err);
	if (r == 0)
		r = tl_redactor_flush(stream->redactor, err);
	return r < 0 ? r : send_out(stream, FRAME_CANARY, err);
}

static int begin(struct member_stream *stream, const struct bundle_member *member,
		 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT((size_t)TL_BUNDLE_PATH_MAX * 4);
	int r;

	stream->state = MEMBER_SKIPPED;
	stream->given = 0;
	stream->cut = false;
	if (stream->row_full || exclude_has_path(stream->options.exclude, member->path))
		return 0;
	r = redact_text(stream, member->path, strlen(member->path), &clean, stream->hidden, err);
	if (r < 0)
		return r;
	if (tl_buf_check(&clean) < 0 || clean.len >= sizeof stream->path)
		return tl_err_set(err, TL_EINVAL, "a name cannot stand in the bundle: too long");
	memcpy(stream->path, tl_buf_str(&clean), clean.len + 1);
	stream->facts =
		(struct frame_member){.mode = member->mode & 0777, .mtime_s = member->mtime_s};
	stream->state = MEMBER_BEGUN;
	if (stream->analysis)
		tl_analysis_begin(stream->analysis, stream->path);
	return 0;
}

static int announce(struct member_stream *stream, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf facts = TL_BUF_INIT(64);
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(TL_BUNDLE_PATH_MAX);
	int r = send_counts(stream, stream->hidden, err);

	tl_buf_append(&facts, &stream->facts, sizeof stream->facts);
	tl_buf_puts(&path, stream->path);
	if (r == 0 && (tl_buf_check(&facts) < 0 || tl_buf_check(&path) < 0))
		r = tl_err_set(err, TL_ENOMEM, "out of memory for a member");
	if (r == 0)
		r = frame_send(stream->options.fd, FRAME_BEGIN, &facts, &path, err);
	if (r == 0)
		stream->state = MEMBER_GIVEN;
	return r;
}

int collect_member_begin(struct collect_context *context, const struct bundle_member *member,
			 struct tl_err *err)
{
	struct member_stream *stream = context->stream;
	int r = begin(stream, member, err);

	if (r < 0)
		return r;
	/* rules know the host's paths */
	snprintf(stream->source, sizeof stream->source, "%s",
		 member->path + (tl_str_starts(member->path, ROOT_DIR) ? strlen(ROOT_DIR) - 1 : 0));
	tl_redactor_set_path(stream->redactor, stream->source);
	tl_redactor_begin(stream->redactor, to_frames, stream);
	return 0;
}

/* A row that reads faster than others may bear waits. */
static void keep_rate(const struct member_stream *stream)
{
	int64_t ms = tl_clock_mono_ms(tl_clock_system()) - stream->row_started_ms;
	uint64_t allowed = (uint64_t)ms * (stream->options.bytes_per_s / 1000) + RATE_BURST;
	uint64_t wait_ms;

	if (stream->row_given <= allowed)
		return;
	wait_ms = (stream->row_given - allowed) / (stream->options.bytes_per_s / 1000 + 1);
	if (wait_ms > NAP_MAX_MS)
		wait_ms = NAP_MAX_MS;
	nanosleep(&(struct timespec){.tv_nsec = (long)wait_ms * 1000000}, NULL);
}

static bool is_binary(const struct member_stream *stream, const void *bytes, size_t len)
{
	return stream->row->kind == COLLECT_FILES && !(stream->row->flags & COLLECT_BINARY) &&
	       memchr(bytes, '\0', len < BINARY_LOOK ? len : BINARY_LOOK);
}

/* How many of `len` bytes the row's and the member's limits leave; notes it where not all. */
static size_t within_limits(struct collect_context *context, size_t len)
{
	struct member_stream *stream = context->stream;
	unsigned factor = stream->row->flags & COLLECT_TIMED ? MEMBER_TIMED_FACTOR : 1;
	uint64_t member_max = stream->row->max_bytes * factor + MEMBER_SLACK;
	uint64_t room = stream->given < member_max ? member_max - stream->given : 0;
	uint64_t row_room =
		stream->row_given < stream->row_max ? stream->row_max - stream->row_given : 0;

	if (len <= room && len <= row_room)
		return len;
	if (!stream->cut && !stream->row_full)
		collect_note(context, stream->path, "truncated",
			     len > row_room ? "the collector gave all that it may"
					    : "it is longer than its limit");
	stream->cut = true;
	stream->row_full = len > row_room;
	return (size_t)(room < row_room ? room : row_room);
}

/* Findings are worth less than the member: analyzers that fail go blind. */
static void show_analyzers(struct collect_context *context, const void *bytes, size_t len)
{
	struct member_stream *stream = context->stream;

	if (!stream->analysis || tl_analysis_feed(stream->analysis, bytes, len, NULL) == 0)
		return;
	collect_note(context, stream->path, "failed", "the analyzers could not look at all of it");
	tl_analysis_free(tl_steal(&stream->analysis));
}

static int send_findings(struct member_stream *stream, struct tl_err *err)
{
	tl_json *notice = NULL;
	int r;

	if (!stream->analysis || tl_analysis_end(stream->analysis, &notice, NULL) < 0 || !notice)
		return 0;
	tl_redactor_set_path(stream->texts, stream->source);
	r = findings_redact(notice, stream->texts, err);
	tl_redactor_set_path(stream->texts, NULL);
	return r < 0 ? r : send_json(stream, FRAME_FINDINGS, notice, err);
}

int collect_member_write(struct collect_context *context, const void *bytes, size_t len,
			 struct tl_err *err)
{
	struct member_stream *stream = context->stream;
	int r = 0;

	if (stream->state == MEMBER_BEGUN && len > 0 && is_binary(stream, bytes, len)) {
		collect_note(context, stream->path, "refused", "it is no text");
		stream->state = MEMBER_SKIPPED;
	}
	if (stream->state == MEMBER_BEGUN)
		r = announce(stream, err);
	if (r == 0 && stream->state == MEMBER_GIVEN) {
		size_t part = within_limits(context, len);

		show_analyzers(context, bytes, part);
		r = tl_redactor_feed(stream->redactor, bytes, part, err);
	}
	stream->given += len;
	stream->row_given += len;
	keep_rate(stream);
	return r;
}

uint64_t collect_member_given(const struct collect_context *context)
{
	return context->stream->given;
}

bool collect_is_unredacted(const struct collect_context *context)
{
	return context->stream->options.level == TL_REDACT_OFF;
}

static int end(struct member_stream *stream, const char *status, json_t *counts, struct tl_err *err)
{
	tl_json *json = NULL;
	int r = send_out(stream, FRAME_DATA, err);

	if (r == 0)
		r = send_counts(stream, stream->hidden, err);
	json = json_pack("{s:s, s:O}", "status", stream->cut ? "truncated" : status, "redactions",
			 counts);
	if (r == 0)
		r = send_json(stream, FRAME_END, json, err);
	stream->state = MEMBER_NONE;
	return r;
}

int collect_member_end(struct collect_context *context, const char *status, struct tl_err *err)
{
	struct member_stream *stream = context->stream;
	tl_json *counts = json_object();
	int r = 0;

	if (stream->state == MEMBER_BEGUN)
		r = announce(stream, err);
	if (stream->state != MEMBER_GIVEN) {
		stream->state = MEMBER_NONE;
		return r;
	}
	r = r < 0 ? r : tl_redactor_flush(stream->redactor, err);
	if (r < 0)
		return r;
	tl_redactor_report(stream->redactor, counts);
	r = end(stream, status, counts, err);
	return r < 0 ? r : send_findings(stream, err);
}

/* The facts that the analyzers compare. */
static int send_snapshot(struct member_stream *stream, const char *path, const json_t *json,
			 struct tl_err *err)
{
	tl_json *notice = NULL;

	if (!stream->analysis || !tl_streq(path, "snapshot/health.json"))
		return 0;
	notice = json_pack("{s:O}", "snapshot", (json_t *)(uintptr_t)json); /* jansson counts */
	return notice ? send_json(stream, FRAME_FINDINGS, notice, err)
		      : tl_err_set(err, TL_ENOMEM, "out of memory for the findings");
}

int collect_member_json(struct collect_context *context, const char *path, const json_t *json,
			struct tl_err *err)
{
	struct member_stream *stream = context->stream;
	struct bundle_member member = {.path = path, .mode = 0644};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64u << 20);
	tl_json *counts = json_object();
	tl_json *clean = NULL;
	int r = begin(stream, &member, err);

	if (r < 0 || stream->state != MEMBER_BEGUN)
		return r;
	r = tl_redact_json(stream->texts, json, counts, &clean, err);
	if (r < 0)
		return r;
	tl_json_write(&text, clean);
	tl_buf_putc(&text, '\n');
	if (tl_buf_check(&text) < 0)
		return tl_err_set(err, TL_ETOOBIG, "%s is too large", path);
	r = announce(stream, err);
	if (r == 0)
		r = to_frames(stream, text.data, text.len, err);
	stream->row_given += text.len;
	if (r == 0)
		r = end(stream, "ok", counts, err);
	return r < 0 ? r : send_snapshot(stream, path, json, err);
}

int collect_member_redact(struct collect_context *context, const char *text, size_t len,
			  struct tl_buf *out, struct tl_err *err)
{
	struct member_stream *stream = context->stream;
	tl_json *counts = json_object();
	int r = redact_text(stream, text, len, out, counts, err);

	return r < 0 ? r : send_counts(stream, counts, err);
}

/* Names from the host may be no UTF-8: they are noted as they print. NULL when it cannot be redacted. */
static json_t *note_text(struct member_stream *stream, const char *text, json_t *counts)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT((size_t)NOTE_TEXT_MAX * 8);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT((size_t)NOTE_TEXT_MAX * 32);

	if (redact_text(stream, text, strnlen(text, NOTE_TEXT_MAX), &clean, counts, NULL) < 0)
		return NULL;
	tl_str_printable(&out, tl_buf_str(&clean), clean.len);
	return json_string(tl_buf_str(&out));
}

void collect_note(struct collect_context *context, const char *source, const char *kind,
		  const char *text)
{
	struct member_stream *stream = context->stream;
	tl_json *counts = json_object();
	tl_json *note = NULL;
	struct tl_err ignored = TL_ERR_INIT;

	context->outcome = "partial";
	note = json_pack("{s:s, s:o, s:s, s:o}", "collector", context->row->name, "source",
			 note_text(stream, source, counts), "kind", kind, "text",
			 note_text(stream, text, counts));
	/* a stream that takes no note takes no member either, and that is a fault with a sentence */
	if (note && send_json(stream, FRAME_NOTE, note, &ignored) == 0 &&
	    send_counts(stream, counts, &ignored) < 0)
		context->outcome = "failed";
}

bool collect_expired(struct collect_context *context, const char *source)
{
	if (tl_clock_mono_ms(context->clock) < context->deadline_ms)
		return false;
	collect_note(context, source, "timeout", "the collector's time was over");
	return true;
}

bool collect_excluded(const struct collect_context *context, const char *path)
{
	return exclude_has_path(context->stream->options.exclude, path);
}

int member_stream_end(struct member_stream *stream, const struct collect_context *context,
		      int64_t ms, const struct tl_err *fault, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT((size_t)TL_ERR_TEXT_MAX * 8);
	tl_json *row = json_pack("{s:s, s:I}", "outcome", fault ? "failed" : context->outcome, "ms",
				 (json_int_t)ms);
	tl_json *counts = json_object();

	if (fault && redact_text(stream, tl_err_text(fault), strlen(tl_err_text(fault)), &clean,
				 counts, NULL) == 0)
		json_object_set_new(row, "text", json_string(tl_buf_str(&clean)));
	return send_json(stream, FRAME_ROW, row, err);
}
