#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <towline/str.h>
#include <unistd.h>

#include "http/call.h"
#include "http/range.h"

static bool read_number(const char **text, uint64_t *ret_value)
{
	char digits[21];
	size_t len = strspn(*text, "0123456789");

	if (len == 0 || len >= sizeof digits)
		return false;
	memcpy(digits, *text, len);
	digits[len] = '\0';
	*text += len;
	return tl_str_u64(digits, UINT64_MAX, ret_value) == 0;
}

/* "-N": the last N bytes. */
static enum tl_range_result parse_suffix(const char *text, uint64_t size, uint64_t *ret_first,
					 uint64_t *ret_len)
{
	uint64_t count;

	if (!read_number(&text, &count) || *text)
		return TL_RANGE_ALL;
	if (count == 0 || size == 0)
		return TL_RANGE_UNSATISFIABLE;
	*ret_len = count < size ? count : size;
	*ret_first = size - *ret_len;
	return TL_RANGE_PART;
}

enum tl_range_result tl_range_parse(const char *header, uint64_t size, uint64_t *ret_first,
				    uint64_t *ret_len)
{
	uint64_t first, last = UINT64_MAX;

	if (!header || strncasecmp(header, "bytes=", 6) != 0)
		return TL_RANGE_ALL;
	header += 6;
	if (*header == '-')
		return parse_suffix(header + 1, size, ret_first, ret_len);
	if (!read_number(&header, &first) || *header++ != '-')
		return TL_RANGE_ALL;
	if (*header && (!read_number(&header, &last) || *header || last < first))
		return TL_RANGE_ALL;
	if (first >= size)
		return TL_RANGE_UNSATISFIABLE;
	if (last >= size)
		last = size - 1;
	*ret_first = first;
	*ret_len = last - first + 1;
	return TL_RANGE_PART;
}

/* A date in If-Range is never equal: files here carry entity tags only. */
static bool range_applies(const struct tl_http_call *call, const char *etag)
{
	const char *condition = tl_http_header(call, "if-range");

	if (!condition)
		return true;
	return etag && strncmp(etag, "W/", 2) != 0 && strcmp(condition, etag) == 0;
}

static int choose_part(struct tl_http_call *call, uint64_t size, const char *etag)
{
	const char *header = range_applies(call, etag) ? tl_http_header(call, "range") : NULL;
	char text[96];

	call->file_at = 0;
	call->file_left = size;
	switch (tl_range_parse(header, size, &call->file_at, &call->file_left)) {
	case TL_RANGE_ALL:
		return 200;
	case TL_RANGE_PART:
		snprintf(text, sizeof text, "bytes %llu-%llu/%llu",
			 (unsigned long long)call->file_at,
			 (unsigned long long)(call->file_at + call->file_left - 1),
			 (unsigned long long)size);
		tl_http_add_header(call, "Content-Range", text);
		return 206;
	case TL_RANGE_UNSATISFIABLE:
		break;
	}
	snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)size);
	tl_http_add_header(call, "Content-Range", text);
	return 416;
}

void tl_http_reply_file(struct tl_http_call *call, const char *content_type, int fd, uint64_t size,
			const char *etag)
{
	tl_fd int file = fd;
	int status;

	if (etag)
		tl_http_add_header(call, "ETag", etag);
	if (etag && tl_response_not_modified(call, etag)) {
		tl_http_reply_bytes(call, 304, NULL, NULL, 0);
		return;
	}
	status = choose_part(call, size, etag);
	if (status == 416) {
		tl_http_problem(call, 416, "range-not-satisfiable",
				"the range starts beyond the end of the file");
		return;
	}
	if (!tl_response_claim(call, TL_OUTCOME_REPLY))
		return;
	tl_http_add_header(call, "Accept-Ranges", "bytes");
	tl_response_head(call, status, content_type, call->file_left);
	if (strcmp(call->request.method, "HEAD") == 0 || call->file_left == 0)
		return;
	posix_fadvise(file, (off_t)call->file_at, (off_t)call->file_left, POSIX_FADV_SEQUENTIAL);
	call->file_fd = tl_steal_fd(&file);
}

int tl_response_refill(struct tl_http_call *call)
{
	size_t want =
		call->file_left < TL_CALL_PIECE_MAX ? (size_t)call->file_left : TL_CALL_PIECE_MAX;
	char *room = tl_buf_reserve(&call->out, want);
	ssize_t got;

	if (!room)
		return TL_ENOMEM;
	do
		got = pread(call->file_fd, room, want, (off_t)call->file_at);
	while (got < 0 && errno == EINTR);
	/* A file that shrank cannot fill its Content-Length: the connection must break. */
	if (got <= 0)
		return TL_EIO;
	tl_buf_commit(&call->out, (size_t)got);
	call->file_at += (uint64_t)got;
	call->file_left -= (uint64_t)got;
	return 0;
}
