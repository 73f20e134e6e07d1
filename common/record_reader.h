/* A recording being read, line by line, each checked against the chain as it comes. One thread. */
#ifndef TOWLINE_COMMON_RECORD_READER_H
#define TOWLINE_COMMON_RECORD_READER_H

#include <towline/buf.h>
#include <towline/json.h>
#include <towline/record.h>

struct tl_record_reader {
	FILE *in;
	struct tl_buf line;
	char last[TL_SHA256_HEX]; /* h of the line before the current one */
	char h[TL_SHA256_HEX];	  /* of the current line */
	uint64_t lines;
	json_t *json; /* the current line */
	struct tl_sha256 *hash;
};

TL_MUST_CHECK int tl_record_reader_init(struct tl_record_reader *reader, FILE *in,
					struct tl_err *err);
void tl_record_reader_clear(struct tl_record_reader *reader);
TL_DEFINE_AUTO(tl_record_reader, tl_record_reader_clear);

/* 1: the next line stands checked in reader->json; 0: no more. */
TL_MUST_CHECK int tl_record_reader_next(struct tl_record_reader *reader, struct tl_err *err);
/* Whether the current line is of this kind ("o", "open", …). */
bool tl_record_reader_is(const struct tl_record_reader *reader, const char *kind);
/* The line's channel and its time in seconds. */
unsigned tl_record_reader_channel(const struct tl_record_reader *reader);
double tl_record_reader_time(const struct tl_record_reader *reader);

#endif
