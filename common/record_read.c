#include <errno.h>
#include <string.h>
#include <towline/jwt.h>
#include <towline/record.h>
#include <towline/str.h>

#include "record_line.h"

#define TL_HEX_DIGITS (TL_SHA256_HEX - 1)
#define TAIL_LEN (sizeof(TL_RECORD_HASH_MEMBER) - 1 + TL_HEX_DIGITS + 2) /* ,"h":"…"} */

/* A recording being read, line by line. */
struct reader {
	FILE *in;
	struct tl_buf line;
	char last[TL_SHA256_HEX]; /* h of the line before the current one */
	char h[TL_SHA256_HEX];	  /* of the current line */
	uint64_t lines;
	json_t *json; /* the current line */
	struct tl_sha256 *hash;
};

static void reader_clear(struct reader *reader)
{
	tl_buf_clear(&reader->line);
	json_decref(reader->json);
	tl_sha256_free(reader->hash);
}
TL_DEFINE_AUTO(reader, reader_clear);

static int reader_init(struct reader *reader, FILE *in, struct tl_err *err)
{
	memset(reader, 0, sizeof(*reader));
	reader->in = in;
	tl_buf_init(&reader->line, TL_RECORD_LINE_MAX);
	reader->hash = tl_sha256_new();
	return reader->hash ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

/* 1: a whole line without its newline; 0: end of file. A last line that was cut off by a crash counts
 * as absent: it was never acknowledged. */
static int read_line(struct reader *reader, struct tl_err *err)
{
	int c;

	tl_buf_reset(&reader->line);
	while ((c = getc_unlocked(reader->in)) != EOF && c != '\n')
		tl_buf_putc(&reader->line, (char)c);
	if (ferror(reader->in))
		return tl_err_sys(err, TL_EIO, errno, "the recording cannot be read");
	if (tl_buf_check(&reader->line) != 0)
		return tl_err_set(err, TL_ETOOBIG, "line %llu of the recording is too long",
				  (unsigned long long)reader->lines + 1);
	return c == '\n' ? 1 : 0;
}

static int check_hash(struct reader *reader, struct tl_err *err)
{
	uint8_t digest[TL_SHA256_LEN];
	const char *tail;
	size_t body;

	if (reader->line.len < TAIL_LEN)
		return TL_ESIG;
	body = reader->line.len - TAIL_LEN;
	tail = reader->line.data + body;
	if (memcmp(tail, TL_RECORD_HASH_MEMBER, sizeof(TL_RECORD_HASH_MEMBER) - 1) != 0)
		return TL_ESIG;
	tl_sha256_update(reader->hash, reader->last, strlen(reader->last));
	tl_sha256_update(reader->hash, reader->line.data, body);
	tl_sha256_final(reader->hash, digest);
	tl_hex_encode(digest, sizeof(digest), reader->h);
	if (memcmp(tail + sizeof(TL_RECORD_HASH_MEMBER) - 1, reader->h, TL_HEX_DIGITS) != 0)
		return TL_ESIG;
	json_decref(reader->json);
	reader->json = NULL;
	return tl_json_parse(reader->line.data, reader->line.len, &reader->json, err);
}

static bool is_numbered(const struct reader *reader)
{
	if (reader->lines == 0)
		return json_integer_value(json_object_get(reader->json, "towline-recording")) == 1;
	return json_is_integer(json_object_get(reader->json, "n")) &&
	       (uint64_t)json_integer_value(json_object_get(reader->json, "n")) == reader->lines;
}

/* 1: the next line stands checked in reader->json; 0: no more. */
static int next_line(struct reader *reader, struct tl_err *err)
{
	int rc;

	memcpy(reader->last, reader->h, sizeof(reader->last));
	rc = read_line(reader, err);
	if (rc <= 0)
		return rc;
	rc = check_hash(reader, err);
	if (rc != 0 || !is_numbered(reader))
		return tl_err_set(err, TL_ESIG, "line %llu of the recording breaks the hash chain",
				  (unsigned long long)reader->lines + 1);
	reader->lines++;
	return 1;
}

static bool is_kind(const struct reader *reader, const char *kind)
{
	return tl_streq(json_string_value(json_object_get(reader->json, "k")), kind);
}

/* The seal counts the lines before it and names the last one's hash. */
static int check_seal(const struct reader *reader, const char *session, const struct tl_key *key,
		      struct tl_err *err)
{
	const char *jws = json_string_value(json_object_get(reader->json, "jws"));
	tl_json *claims = NULL;
	int rc;

	if (!jws)
		return tl_err_set(err, TL_ESIG, "the recording's seal is empty");
	rc = tl_jwt_verify(key, TL_JWT_RECORDING, jws, strlen(jws), &claims, err);
	if (rc != 0) {
		tl_err_prefix(err, "the recording's seal");
		return rc;
	}
	if (!tl_streq(json_string_value(json_object_get(claims, "sha256")), reader->last) ||
	    (uint64_t)json_integer_value(json_object_get(claims, "lines")) != reader->lines - 1 ||
	    !tl_streq(json_string_value(json_object_get(claims, "session")), session))
		return tl_err_set(err, TL_ESIG,
				  "the recording's seal belongs to another recording");
	return 0;
}

static void count(const struct reader *reader, struct tl_record_facts *facts)
{
	json_t *t = json_object_get(reader->json, "t");

	facts->lines = reader->lines;
	if (json_is_number(t))
		facts->seconds = json_number_value(t);
	if (is_kind(reader, "o"))
		facts->output_bytes += json_string_length(json_object_get(reader->json, "d"));
}

int tl_record_verify(FILE *in, const struct tl_key *key, struct tl_record_facts *ret_facts,
		     struct tl_err *err)
{
	tl_auto(reader) struct reader reader;
	struct tl_record_facts facts = {0};
	char session[64] = "";
	bool sealed = false;
	int rc = reader_init(&reader, in, err);

	while (rc == 0 && (rc = next_line(&reader, err)) == 1) {
		const char *name = json_string_value(json_object_get(reader.json, "session"));

		if (sealed)
			return tl_err_set(err, TL_ESIG, "line %llu follows the recording's seal",
					  (unsigned long long)reader.lines);
		if (reader.lines == 1 && name)
			snprintf(session, sizeof(session), "%s", name);
		sealed = is_kind(&reader, "seal");
		if (sealed && key)
			rc = check_seal(&reader, session, key, err);
		else
			rc = 0;
		if (rc != 0)
			return rc;
		facts.sealed = sealed && key;
		count(&reader, &facts);
	}
	if (rc != 0)
		return rc;
	if (facts.lines == 0)
		return tl_err_set(err, TL_EINVAL, "this is not a recording: it is empty");
	*ret_facts = facts;
	return 0;
}

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

static int export_event(const struct reader *reader, double begin, FILE *out)
{
	double at = json_number_value(json_object_get(reader->json, "t")) - begin;
	tl_json *event = NULL;

	if (is_kind(reader, "o")) {
		event = json_pack("[f,s,O]", at, "o", json_object_get(reader->json, "d"));
	} else if (is_kind(reader, "r")) {
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
	tl_auto(reader) struct reader reader;
	bool found = false;
	json_int_t started = 0;
	double begin = 0;
	int rc = reader_init(&reader, in, err);

	while (rc == 0 && (rc = next_line(&reader, err)) == 1) {
		json_int_t ch = json_integer_value(json_object_get(reader.json, "ch"));

		rc = 0;
		if (reader.lines == 1)
			started = json_integer_value(json_object_get(reader.json, "started"));
		if (!found && is_kind(&reader, "open") && json_object_get(reader.json, "columns") &&
		    (channel == 0 || ch == channel)) {
			found = true;
			channel = (unsigned)ch;
			begin = json_number_value(json_object_get(reader.json, "t"));
			rc = export_header(reader.json, started + (json_int_t)begin, out);
		} else if (found && ch == channel) {
			rc = export_event(&reader, begin, out);
		}
		if (rc == TL_EIO)
			tl_err_set(err, TL_EIO, "the terminal recording cannot be written");
		if (found && ch == channel && is_kind(&reader, "close"))
			return rc;
	}
	if (rc == 0 && !found)
		return tl_err_set(err, TL_ENOENT, "the recording holds no such terminal");
	return rc;
}
