#include "collect/row.h"

#include <stdio.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/str.h>

#include "collect/member.h"

#define MEMBERS_MAX 20000
#define NOTES_MAX 5000
#define SAID_MAX \
	(16 * 1024 * 1024) /* bytes of JSON: they stay in memory until the bundle is written */
#define OVERHEAD 2048	   /* of a member in the archive and its lists */

struct row_member {
	char *path;
	struct frame_member facts;
	uint64_t offset, size;
	char status[16];
	json_t *redactions;
};

static const char *const statuses[] = {"ok", "truncated", "timeout", "failed"};
static const char *const outcomes[] = {"ok", "absent", "partial", "failed"};

void row_init(struct row *row, const struct collector *collector, bool sealed)
{
	*row = (struct row){
		.collector = collector,
		.sealed = sealed,
		.notes = json_array(),
		.hidden = json_object(),
		.outcome = "failed",
	};
}

static void member_clear(struct row_member *member)
{
	free(member->path);
	json_decref(member->redactions);
}

void row_clear(struct row *row)
{
	for (size_t i = 0; i < row->count; i++)
		member_clear(&row->members[i]);
	free(row->members);
	spool_free(row->spool);
	json_decref(row->notes);
	json_decref(row->hidden);
	json_decref(row->findings);
	*row = (struct row){.collector = NULL};
}

void row_note(struct row *row, const char *source, const char *kind, const char *text)
{
	if (json_array_size(row->notes) < NOTES_MAX)
		json_array_append_new(row->notes, json_pack("{s:s, s:s, s:s, s:s}", "collector",
							    row->collector->name, "source", source,
							    "kind", kind, "text", text));
}

static struct row_member *last(struct row *row)
{
	return &row->members[row->count - 1];
}

static void drop_open(struct row *row)
{
	if (!row->open)
		return;
	row->bytes -= last(row)->size;
	member_clear(last(row));
	row->count--;
	row->open = false;
}

static int grow(struct row *row, struct tl_err *err)
{
	size_t room = row->room ? row->room * 2 : 8;
	struct row_member *members = row->members;

	if (row->count < row->room)
		return 0;
	members = realloc(members, room * sizeof *members);
	if (!members)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	row->members = members;
	row->room = room;
	return 0;
}

static int begin(struct row *row, const struct frame *frame, struct tl_err *err)
{
	struct row_member member = {.status = "ok"};
	size_t path_len = frame->len - sizeof member.facts;
	int r;

	if (row->open || frame->len <= sizeof member.facts || path_len >= TL_BUNDLE_PATH_MAX)
		return tl_err_set(err, TL_EPROTO, "a member began where none can");
	if (row->count >= MEMBERS_MAX)
		return tl_err_set(err, TL_ETOOBIG, "more than %d members", MEMBERS_MAX);
	if (!row->spool) {
		r = spool_new(row->sealed, &row->spool, err);
		if (r < 0)
			return r;
	}
	r = grow(row, err);
	if (r < 0)
		return r;
	memcpy(&member.facts, frame->payload, sizeof member.facts);
	member.offset = spool_size(row->spool);
	member.path = strndup(frame->payload + sizeof member.facts, path_len);
	if (!member.path)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	row->members[row->count++] = member;
	row->open = true;
	return 0;
}

static int take_data(struct row *row, const struct frame *frame, struct tl_err *err)
{
	/* redaction may make text longer, but not without bounds */
	uint64_t max = 4 * member_row_max(row->collector) + MEMBER_SLACK;

	if (!row->open)
		return tl_err_set(err, TL_EPROTO, "bytes came that belong to no member");
	if (row->bytes + frame->len > max)
		return tl_err_set(err, TL_ETOOBIG, "it gave more than it may");
	last(row)->size += frame->len;
	row->bytes += frame->len;
	return spool_write(row->spool, frame->payload, frame->len, err);
}

static const char *known(const char *const *words, size_t count, const json_t *word)
{
	for (size_t i = 0; i < count; i++)
		if (tl_streq(words[i], json_string_value(word)))
			return words[i];
	return NULL;
}

static int end(struct row *row, json_t *json, struct tl_err *err)
{
	const char *status =
		known(statuses, TL_ARRAY_LEN(statuses), json_object_get(json, "status"));
	json_t *redactions = json_object_get(json, "redactions");

	if (!row->open || !status || !json_is_object(redactions))
		return tl_err_set(err, TL_EPROTO, "a member ended where none began");
	snprintf(last(row)->status, sizeof last(row)->status, "%s", status);
	last(row)->redactions = json_incref(redactions);
	row->open = false;
	return 0;
}

static void add_hidden(struct row *row, json_t *counts)
{
	const char *rule;
	json_t *count;

	json_object_foreach(counts, rule, count)
	{
		json_int_t before = json_integer_value(json_object_get(row->hidden, rule));

		json_object_set_new(row->hidden, rule,
				    json_integer(before + json_integer_value(count)));
	}
}

static int take_note(struct row *row, const json_t *json, struct tl_err *err)
{
	const char *source = json_string_value(json_object_get(json, "source"));
	const char *kind = json_string_value(json_object_get(json, "kind"));
	const char *text = json_string_value(json_object_get(json, "text"));

	if (!source || !kind || !text)
		return tl_err_set(err, TL_EPROTO, "a note says nothing");
	row_note(row, source, kind, text);
	return 0;
}

static int finish(struct row *row, const json_t *json, struct tl_err *err)
{
	const char *outcome =
		known(outcomes, TL_ARRAY_LEN(outcomes), json_object_get(json, "outcome"));
	const char *text = json_string_value(json_object_get(json, "text"));

	if (!outcome)
		return tl_err_set(err, TL_EPROTO, "a collector ended without an outcome");
	row->ms = json_integer_value(json_object_get(json, "ms"));
	row->faulty = text != NULL;
	if (text)
		row_note(row, row->open ? last(row)->path : row->collector->name, "failed", text);
	drop_open(row);
	snprintf(row->outcome, sizeof row->outcome, "%s",
		 text && row->count > 0 ? "partial" : outcome);
	return 1;
}

static int take_json(struct row *row, const struct frame *frame, struct tl_err *err)
{
	tl_json *json = NULL;
	int r;

	row->said += frame->len;
	if (row->said > SAID_MAX)
		return tl_err_set(err, TL_ETOOBIG, "it said more than it may");
	r = tl_json_parse(frame->payload, frame->len, &json, err);
	if (r < 0 || !json_is_object(json))
		return tl_err_set(err, TL_EPROTO, "a collecting process sent what is no JSON");
	switch (frame->kind) {
	case FRAME_END:
		return end(row, json, err);
	case FRAME_NOTE:
		return take_note(row, json, err);
	case FRAME_COUNTS:
		add_hidden(row, json);
		return 0;
	case FRAME_FINDINGS:
		if (!row->findings)
			row->findings = json_array();
		json_array_append(row->findings, json);
		return 0;
	case FRAME_ROW:
		return finish(row, json, err);
	default:
		return TL_EINTERNAL;
	}
}

int row_take(struct row *row, const struct frame *frame, struct tl_err *err)
{
	switch (frame->kind) {
	case FRAME_BEGIN:
		return begin(row, frame, err);
	case FRAME_DATA:
		return take_data(row, frame, err);
	case FRAME_END:
	case FRAME_NOTE:
	case FRAME_COUNTS:
	case FRAME_FINDINGS:
	case FRAME_ROW:
		return take_json(row, frame, err);
	case FRAME_CANARY:
	case FRAME_READY:
		break;
	}
	return tl_err_set(err, TL_EPROTO, "a collecting process spoke out of turn");
}

void row_break(struct row *row, const char *kind, const char *text, int64_t ms)
{
	row_note(row, row->open ? last(row)->path : row->collector->name, kind, text);
	drop_open(row);
	row->ms = ms;
	snprintf(row->outcome, sizeof row->outcome, "%s", row->count > 0 ? "partial" : "failed");
}

static int append_member(struct row *row, struct row_member *from, struct bundle_writer *writer,
			 struct tl_err *err)
{
	struct bundle_member member = {.path = from->path,
				       .mode = from->facts.mode,
				       .mtime_s = from->facts.mtime_s};
	struct bundle_bytes bytes = {
		.spool = row->spool,
		.offset = from->offset,
		.size = from->size,
		.status = from->status,
		.redactions = from->redactions,
		.collector = row->collector->name,
	};
	struct tl_err fault = TL_ERR_INIT;
	int r = bundle_writer_append(writer, &member, &bytes, &fault);

	if (r != TL_EINVAL) {
		if (r < 0 && err)
			*err = fault;
		return r;
	}
	row_note(row, from->path, "refused", tl_err_text(&fault));
	snprintf(row->outcome, sizeof row->outcome, "partial");
	return 0;
}

int row_append(struct row *row, struct bundle_writer *writer, uint64_t room, struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < row->count; i++) {
		struct row_member *member = &row->members[i];

		if (member->size + OVERHEAD > room) {
			row_note(row, member->path, "truncated", "the bundle's limit is reached");
			snprintf(row->outcome, sizeof row->outcome, "partial");
			continue;
		}
		room -= member->size + OVERHEAD;
		r = append_member(row, member, writer, err);
	}
	for (size_t i = 0; r == 0 && i < json_array_size(row->notes); i++)
		bundle_writer_add_note(writer, json_incref(json_array_get(row->notes, i)));
	bundle_writer_count(writer, row->hidden);
	return r;
}

json_t *row_index(const struct row *row)
{
	return json_pack("{s:s, s:s}", "collector", row->collector->name, "outcome", row->outcome);
}

json_t *row_facts(const struct row *row)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "collector", row->collector->name, "outcome",
			 row->outcome, "ms", (json_int_t)row->ms, "bytes", (json_int_t)row->bytes,
			 "errors", (json_int_t)json_array_size(row->notes));
}
