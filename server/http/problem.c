#include <stdio.h>
#include <string.h>
#include <towline/json.h>

#include "http/call.h"

struct status_row {
	int status;
	const char *title;
};

/* RFC 9110 §15 and RFC 6585. */
static const struct status_row status_rows[] = {
	{100, "Continue"},
	{101, "Switching Protocols"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{422, "Unprocessable Content"},
	{423, "Locked"},
	{426, "Upgrade Required"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{460, "Checksum Mismatch"}, /* tus 1.0, checksum extension */
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{507, "Insufficient Storage"},
};

const char *tl_problem_title(int status)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(status_rows); i++)
		if (status_rows[i].status == status)
			return status_rows[i].title;
	return "Unknown";
}

struct error_row {
	int code, status;
	const char *slug;
};

static const struct error_row error_rows[] = {
	{TL_EINVAL, 422, "invalid"},
	{TL_ENOENT, 404, "not-found"},
	{TL_EEXIST, 409, "exists"},
	{TL_EACCES, 403, "forbidden"},
	{TL_EAUTH, 401, "unauthenticated"},
	{TL_ESIG, 422, "signature-invalid"},
	{TL_EEXPIRED, 403, "expired"},
	{TL_ETOOBIG, 413, "too-large"},
	{TL_ETIMEOUT, 504, "timed-out"},
	{TL_EPROTO, 400, "protocol"},
	{TL_EUNREACH, 502, "unreachable"},
	{TL_EDENIED, 403, "denied"},
	{TL_ECONFLICT, 412, "changed-meanwhile"},
	{TL_ENOSPC, 507, "no-space"},
	{TL_EUNSUPPORTED, 501, "not-supported"},
	{TL_EBUSY, 503, "busy"},
};

/* What failed inside is for the log; a client learns only that it was not its fault. */
static const struct error_row inside_row = {TL_EINTERNAL, 500, "internal"};

void tl_http_problem(struct tl_http_call *call, int status, const char *slug, const char *detail)
{
	char type[96];
	tl_json *problem = NULL;

	snprintf(type, sizeof type, "urn:towline:problem:%s", slug);
	problem = json_pack("{s:s, s:s, s:i}", "type", type, "title", tl_problem_title(status),
			    "status", status);
	if (problem && detail)
		json_object_set_new(problem, "detail", json_string(detail));
	if (problem && call->request.path)
		json_object_set_new(problem, "instance", json_string(call->request.path));
	if (status == 401)
		tl_http_add_header(call, "WWW-Authenticate", "Bearer");
	if (status == 503)
		tl_http_add_header(call, "Retry-After", "2");
	tl_http_add_header(call, "Content-Type", "application/problem+json");
	tl_http_reply(call, status, tl_steal(&problem));
}

void tl_http_fail(struct tl_http_call *call, const struct tl_err *err)
{
	const struct error_row *row = &inside_row;

	for (size_t i = 0; i < TL_ARRAY_LEN(error_rows); i++)
		if (error_rows[i].code == err->code)
			row = &error_rows[i];
	tl_http_problem(call, row->status, row->slug,
			row == &inside_row ? "the server could not do this; its log says why"
					   : tl_err_text(err));
}
