#include "http/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <towline/str.h>

#define TARGET_MAX 8000 /* RFC 9112 §3 recommends at least that */

struct span {
	const char *at;
	size_t len;
};

/* What llhttp reports of a header block, before it is copied. */
struct parse {
	struct span target;
	struct span names[TL_REQUEST_FIELDS_MAX], values[TL_REQUEST_FIELDS_MAX];
	size_t count;
	bool in_name, too_many;
};

static void span_extend(struct span *span, const char *at, size_t len)
{
	if (!span->at)
		span->at = at;
	span->len = (size_t)(at - span->at) + len;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;

	span_extend(&parse->target, at, len);
	return 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;

	if (!parse->in_name && parse->count == TL_REQUEST_FIELDS_MAX) {
		parse->too_many = true;
		return -1;
	}
	if (!parse->in_name)
		parse->count++;
	parse->in_name = true;
	span_extend(&parse->names[parse->count - 1], at, len);
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;

	span_extend(&parse->values[parse->count - 1], at, len);
	parse->in_name = false;
	return 0;
}

static int on_value_complete(llhttp_t *parser)
{
	struct parse *parse = parser->data;

	parse->in_name = false;
	return 0;
}

/* Whoever feeds the body goes on from here. */
static int on_headers_complete(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static const llhttp_settings_t header_settings = {
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_headers_complete,
};

size_t tl_request_find_end(const char *bytes, size_t len, size_t scanned)
{
	size_t from = scanned > 3 ? scanned - 3 : 0;
	const char *end;

	if (len < from + 4)
		return 0;
	end = memmem(bytes + from, len - from, "\r\n\r\n", 4);
	return end ? (size_t)(end - bytes) + 4 : 0;
}

/* llhttp accepts folded lines and, outside its strict mode, bare line feeds: neither passes here. */
static const char *find_bad_line(const char *block, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (block[i] == '\0')
			return "a header holds a NUL";
		if (block[i] == '\n' && (i == 0 || block[i - 1] != '\r'))
			return "a header line ends without CR";
		if (block[i] == '\r' && (i + 1 == len || block[i + 1] != '\n'))
			return "a header holds a bare CR";
		if (block[i] == '\n' && i + 1 < len &&
		    (block[i + 1] == ' ' || block[i + 1] == '\t'))
			return "folded header lines are not accepted (RFC 9112, 5.2)";
	}
	return NULL;
}

/* Exactly two blanks: llhttp takes more of them. */
static bool is_request_line(const char *block, size_t len)
{
	const char *end = memchr(block, '\r', len);
	size_t blanks = 0;

	for (const char *at = block; end && at < end; at++)
		blanks += *at == ' ';
	return blanks == 2;
}

static int refuse(const char **ret_reason, int status, const char *reason)
{
	*ret_reason = reason;
	return status;
}

static int refuse_parser(const struct tl_request *request, const struct parse *parse,
			 const char **ret_reason)
{
	if (parse->too_many)
		return refuse(ret_reason, 431, "too many header lines");
	switch (llhttp_get_errno(&request->parser)) {
	case HPE_INVALID_METHOD:
		return refuse(ret_reason, 501, "the method is not known");
	case HPE_INVALID_VERSION:
		return refuse(ret_reason, 505, "only HTTP/1.1 is spoken here");
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return refuse(ret_reason, 400, "a length that contradicts another");
	default:
		return refuse(ret_reason, 400, "the request is not well-formed HTTP/1.1");
	}
}

static char *put_span(char **at, const struct span *span)
{
	char *text = *at;
	size_t len = span->len;

	while (len > 0 && (span->at[len - 1] == ' ' || span->at[len - 1] == '\t'))
		len--;
	if (len > 0)
		memcpy(text, span->at, len);
	text[len] = '\0';
	*at += len + 1;
	return text;
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

/* Origin-form, or absolute-form (RFC 9112 §3.2.2) of which the authority is dropped. */
static void split_target(struct tl_request *request, char *target)
{
	char *mark;

	if (*target != '/' && (mark = strstr(target, "://"))) {
		mark = strpbrk(mark + 3, "/?");
		target = mark ? mark : target + strlen(target);
	}
	mark = strchr(target, '?');
	if (mark) {
		*mark = '\0';
		request->query = mark + 1;
	}
	request->path = *target ? target : "/";
}

static int copy_block(struct tl_request *request, const struct parse *parse)
{
	size_t size = parse->count * sizeof(struct tl_field) + parse->target.len + 1;
	char *at;

	for (size_t i = 0; i < parse->count; i++)
		size += parse->names[i].len + parse->values[i].len + 2;
	request->memory = calloc(1, size);
	if (!request->memory)
		return -1;
	request->fields = (struct tl_field *)(void *)request->memory;
	request->field_count = parse->count;
	at = request->memory + parse->count * sizeof(struct tl_field);
	for (size_t i = 0; i < parse->count; i++) {
		char *name = put_span(&at, &parse->names[i]);

		lower(name);
		request->fields[i].name = name;
		request->fields[i].value = put_span(&at, &parse->values[i]);
	}
	split_target(request, put_span(&at, &parse->target));
	return 0;
}

const char *tl_request_field(const struct tl_request *request, const char *name)
{
	for (size_t i = 0; i < request->field_count; i++)
		if (strcmp(request->fields[i].name, name) == 0)
			return request->fields[i].value;
	return NULL;
}

static size_t count_field(const struct tl_request *request, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < request->field_count; i++)
		count += strcmp(request->fields[i].name, name) == 0;
	return count;
}

static bool list_has(const char *list, const char *token)
{
	size_t len = strlen(token);

	while (*list) {
		size_t item;

		list += strspn(list, ", \t");
		item = strcspn(list, ", \t");
		if (item == len && strncasecmp(list, token, len) == 0)
			return true;
		list += item;
	}
	return false;
}

bool tl_request_has_token(const struct tl_request *request, const char *name, const char *token)
{
	for (size_t i = 0; i < request->field_count; i++)
		if (strcmp(request->fields[i].name, name) == 0 &&
		    list_has(request->fields[i].value, token))
			return true;
	return false;
}

static int read_length(struct tl_request *request, const char **ret_reason)
{
	const char *length = tl_request_field(request, "content-length");
	const char *coding = tl_request_field(request, "transfer-encoding");

	if (length && coding)
		return refuse(ret_reason, 400,
			      "Content-Length beside Transfer-Encoding is not accepted");
	if (count_field(request, "content-length") > 1)
		return refuse(ret_reason, 400, "Content-Length is repeated");
	if (count_field(request, "transfer-encoding") > 1)
		return refuse(ret_reason, 400, "Transfer-Encoding is repeated");
	if (coding && strcasecmp(coding, "chunked") != 0)
		return refuse(ret_reason, 501, "the only transfer coding known is chunked");
	if (length && tl_str_u64(length, INT64_MAX, &request->content_length) < 0)
		return refuse(ret_reason, 400, "Content-Length is not a number");
	if (coding) {
		request->chunked = true;
		request->content_length = UINT64_MAX;
	}
	request->body_left = request->content_length;
	return 0;
}

static int check_fields(struct tl_request *request, const char **ret_reason)
{
	const char *expect = tl_request_field(request, "expect");
	int status = read_length(request, ret_reason);

	if (status)
		return status;
	if (count_field(request, "host") != 1)
		return refuse(ret_reason, 400, "exactly one Host header is needed");
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return refuse(ret_reason, 417, "the only expectation known is 100-continue");
	request->expect_continue = expect && tl_request_has_body(request);
	request->keep_alive = !tl_request_has_token(request, "connection", "close");
	request->upgrade = tl_request_has_token(request, "connection", "upgrade");
	request->body_done = !tl_request_has_body(request);
	return 0;
}

int tl_request_parse(struct tl_request *request, const char *block, size_t len,
		     const char **ret_reason)
{
	struct parse parse = {.count = 0};
	const char *reason = find_bad_line(block, len);

	memset(request, 0, sizeof *request);
	if (!reason && !is_request_line(block, len))
		reason = "the request line is not METHOD TARGET VERSION";
	if (reason)
		return refuse(ret_reason, 400, reason);
	llhttp_init(&request->parser, HTTP_REQUEST, &header_settings);
	request->parser.data = &parse;
	if (llhttp_execute(&request->parser, block, len) != HPE_PAUSED)
		return refuse_parser(request, &parse, ret_reason);
	if (request->parser.http_major != 1 || request->parser.http_minor != 1)
		return refuse(ret_reason, 505, "only HTTP/1.1 is spoken here");
	if (request->parser.method == HTTP_CONNECT || request->parser.method > HTTP_SOURCE)
		return refuse(ret_reason, 501, "the method is not known");
	if (parse.target.len > TARGET_MAX)
		return refuse(ret_reason, 414, "the request target is too long");
	if (copy_block(request, &parse) < 0)
		return refuse(ret_reason, 500, "out of memory");
	request->method = llhttp_method_name((llhttp_method_t)request->parser.method);
	return check_fields(request, ret_reason);
}

bool tl_request_has_body(const struct tl_request *request)
{
	return request->content_length > 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct tl_request *request = parser->data;

	request->overhead = 0;
	request->data_end = at + len;
	request->received += len;
	tl_buf_append(request->body_out, at, len);
	return 0;
}

static int on_message_complete(llhttp_t *parser)
{
	struct tl_request *request = parser->data;

	request->body_done = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t body_settings = {
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

void tl_request_count_body(struct tl_request *request, size_t len)
{
	request->body_left -= len;
	request->received += len;
	request->body_done = request->body_left == 0;
}

static ptrdiff_t take_plain(struct tl_request *request, const char *in, size_t len,
			    struct tl_buf *out)
{
	size_t take = len < request->body_left ? len : (size_t)request->body_left;

	tl_buf_append(out, in, take);
	tl_request_count_body(request, take);
	return (ptrdiff_t)take;
}

ptrdiff_t tl_request_take_body(struct tl_request *request, const char *in, size_t len,
			       struct tl_buf *out)
{
	llhttp_errno_t code;

	if (!request->chunked)
		return take_plain(request, in, len, out);
	request->parser.data = request;
	request->parser.settings = (void *)(uintptr_t)&body_settings;
	request->body_out = out;
	request->data_end = in;
	llhttp_resume(&request->parser);
	code = llhttp_execute(&request->parser, in, len);
	if (request->body_done && code == HPE_PAUSED)
		return llhttp_get_error_pos(&request->parser) - in;
	if (code != HPE_OK)
		return -1;
	request->overhead += (size_t)(in + len - request->data_end);
	return request->overhead > TL_REQUEST_OVERHEAD_MAX ? -1 : (ptrdiff_t)len;
}

void tl_request_clear(struct tl_request *request)
{
	free(request->memory);
	memset(request, 0, sizeof *request);
}
