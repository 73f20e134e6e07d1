#include "http/router.h"

#include <string.h>
#include <towline/str.h>

static bool next_segment(const char **path, const char **ret_at, size_t *ret_len)
{
	if (**path != '/')
		return false;
	*ret_at = *path + 1;
	*ret_len = strcspn(*ret_at, "/");
	*path = *ret_at + *ret_len;
	return true;
}

static void add_param(struct tl_route_match *match, const char *name, size_t name_len,
		      const char *value, size_t value_len)
{
	size_t i = match->param_count++;

	match->params[i].name = name;
	match->params[i].name_len = name_len;
	match->params[i].value = value;
	match->params[i].value_len = value_len;
}

/* Walks pattern and path together. `match` receives the parameters. */
static bool fits(const char *pattern, const char *path, struct tl_route_match *match)
{
	const char *want, *have;
	size_t want_len, have_len;

	match->param_count = 0;
	while (next_segment(&pattern, &want, &want_len)) {
		if (!next_segment(&path, &have, &have_len))
			return false;
		if (*want == '*' && want_len > 0) {
			add_param(match, want + 1, want_len - 1, have, strlen(have));
			return true;
		}
		if (*want == ':' && want_len > 0) {
			if (have_len == 0)
				return false;
			add_param(match, want + 1, want_len - 1, have, have_len);
			continue;
		}
		if (want_len != have_len || memcmp(want, have, want_len) != 0)
			return false;
	}
	return *path == '\0';
}

static size_t literal_len(const char *pattern)
{
	return strcspn(pattern, ":*");
}

static const char *row_fault(const struct tl_http_route *row)
{
	size_t params = 0;

	if (!row->method || !row->pattern || row->pattern[0] != '/')
		return "has no method, or a pattern without leading slash";
	for (const char *at = row->pattern; *at; at++)
		params += *at == ':' || *at == '*';
	if (params > TL_ROUTE_PARAMS_MAX)
		return "has too many parameters";
	if (row->roles == 0)
		return "names no role";
	if (row->body == TL_BODY_STREAM && (!row->sink || row->handler))
		return "streams a body and needs a sink, and no handler";
	if (row->body != TL_BODY_STREAM && (!row->handler || row->sink))
		return "needs a handler, and no sink";
	if (row->body != TL_BODY_NONE && row->max_body == 0)
		return "takes a body and needs max_body";
	return NULL;
}

int tl_router_check(const struct tl_http_route *routes, size_t count, struct tl_err *err)
{
	for (size_t i = 0; i < count; i++) {
		const char *fault = row_fault(&routes[i]);
		int order;

		if (fault)
			return tl_err_set(err, TL_EINVAL, "route %s %s %s", routes[i].method,
					  routes[i].pattern, fault);
		if (i == 0)
			continue;
		order = strcmp(routes[i - 1].pattern, routes[i].pattern);
		if (order == 0)
			order = strcmp(routes[i - 1].method, routes[i].method);
		if (order >= 0)
			return tl_err_set(
				err, TL_EINVAL,
				"route %s %s is out of order: rows are sorted by pattern, "
				"then method",
				routes[i].method, routes[i].pattern);
	}
	return 0;
}

static bool method_fits(const char *row, const char *method)
{
	return strcmp(row, method) == 0;
}

static bool is_better(const struct tl_http_route *row, const struct tl_route_match *best)
{
	return !best->route || literal_len(row->pattern) > literal_len(best->route->pattern);
}

/* The row for exactly `method`; *ret_path_known tells whether any row has the path. */
static void find_row(const struct tl_http_route *routes, size_t count, const char *method,
		     const char *path, struct tl_route_match *best, bool *ret_path_known)
{
	struct tl_route_match trial = {.route = NULL};

	for (size_t i = 0; i < count; i++) {
		const struct tl_http_route *row = &routes[i];

		if (strncmp(row->pattern, path, literal_len(row->pattern)) != 0)
			continue;
		if (!fits(row->pattern, path, &trial))
			continue;
		*ret_path_known = true;
		if (!method_fits(row->method, method) || !is_better(row, best))
			continue;
		*best = trial;
		best->route = row;
	}
}

static bool method_used(const struct tl_http_route *routes, size_t count, const char *method)
{
	static const char *const common[] = {"GET",   "HEAD",	"POST",	  "PUT",
					     "PATCH", "DELETE", "OPTIONS"};

	for (size_t i = 0; i < TL_ARRAY_LEN(common); i++)
		if (strcmp(common[i], method) == 0)
			return true;
	for (size_t i = 0; i < count; i++)
		if (method_fits(routes[i].method, method))
			return true;
	return false;
}

void tl_router_match(const struct tl_http_route *routes, size_t count, const char *method,
		     const char *path, struct tl_route_match *ret_match)
{
	bool path_known = false;

	*ret_match = (struct tl_route_match){.route = NULL};
	find_row(routes, count, method, path, ret_match, &path_known);
	if (!ret_match->route && strcmp(method, "HEAD") == 0)
		find_row(routes, count, "GET", path, ret_match, &path_known);
	if (ret_match->route)
		return;
	if (!method_used(routes, count, method))
		ret_match->status = 501;
	else
		ret_match->status = path_known ? 405 : 404;
}

static bool allow_has(const struct tl_buf *out, const char *method)
{
	const char *at = tl_buf_str(out);
	size_t len = strlen(method);

	while (*at) {
		size_t item = strcspn(at, ", ");

		if (item == len && memcmp(at, method, len) == 0)
			return true;
		at += item;
		at += strspn(at, ", ");
	}
	return false;
}

static void allow_add(struct tl_buf *out, const char *method)
{
	if (allow_has(out, method))
		return;
	tl_buf_puts(out, out->len ? ", " : "");
	tl_buf_puts(out, method);
}

void tl_router_allow(const struct tl_http_route *routes, size_t count, const char *path,
		     struct tl_buf *out)
{
	struct tl_route_match trial;

	for (size_t i = 0; i < count; i++) {
		if (!fits(routes[i].pattern, path, &trial))
			continue;
		allow_add(out, routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			allow_add(out, "HEAD");
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tl_percent_decode(const char *text, size_t len, bool plus_is_blank, char *out)
{
	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return TL_EINVAL;
			c = high * 16 + low;
			i += 2;
			if (c == 0 || (!plus_is_blank && (c < 0x20 || c == 0x7f)))
				return TL_EINVAL;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		*out++ = (char)c;
	}
	*out = '\0';
	return 0;
}
