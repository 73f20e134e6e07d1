#include "record_reader.h"

#include <errno.h>
#include <string.h>
#include <towline/str.h>

#include "record_line.h"

#define TL_HEX_DIGITS (TL_SHA256_HEX - 1)
#define TAIL_LEN (sizeof(TL_RECORD_HASH_MEMBER) - 1 + TL_HEX_DIGITS + 2) /* ,"h":"…"} */

void tl_record_reader_clear(struct tl_record_reader *reader)
{
	tl_buf_clear(&reader->line);
	json_decref(reader->json);
	tl_sha256_free(reader->hash);
}
int tl_record_reader_init(struct tl_record_reader *reader, FILE *in, struct tl_err *err)
{
	memset(reader, 0, sizeof(*reader));
	reader->in = in;
	tl_buf_init(&reader->line, TL_RECORD_LINE_MAX);
	reader->hash = tl_sha256_new();
	return reader->hash ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

/* 1: a whole line without its newline; 0: end of file. A last line that was cut off by a crash counts
 * as absent: it was never acknowledged. */
static int read_line(struct tl_record_reader *reader, struct tl_err *err)
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

static int check_hash(struct tl_record_reader *reader, struct tl_err *err)
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

static bool is_numbered(const struct tl_record_reader *reader)
{
	if (reader->lines == 0)
		return json_integer_value(json_object_get(reader->json, "towline-recording")) == 1;
	return json_is_integer(json_object_get(reader->json, "n")) &&
	       (uint64_t)json_integer_value(json_object_get(reader->json, "n")) == reader->lines;
}

int tl_record_reader_next(struct tl_record_reader *reader, struct tl_err *err)
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

bool tl_record_reader_is(const struct tl_record_reader *reader, const char *kind)
{
	return tl_streq(json_string_value(json_object_get(reader->json, "k")), kind);
}

unsigned tl_record_reader_channel(const struct tl_record_reader *reader)
{
	return (unsigned)json_integer_value(json_object_get(reader->json, "ch"));
}

double tl_record_reader_time(const struct tl_record_reader *reader)
{
	return json_number_value(json_object_get(reader->json, "t"));
}
