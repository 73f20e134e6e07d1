#include "http/call.h"

#include <stdlib.h>
#include <string.h>
#include <towline/str.h>
#include <unistd.h>

#include "http/hub.h"
#include "http/server.h"

#define ARENA_BLOCK 1024

struct tl_arena_block {
	struct tl_arena_block *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

void *tl_arena_alloc(struct tl_arena *arena, size_t size)
{
	struct tl_arena_block *block = arena->first;
	void *at;

	size = (size + 15) & ~(size_t)15;
	if (!block || block->size - block->used < size) {
		size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		block = malloc(sizeof *block + room);
		if (!block)
			return NULL;
		*block = (struct tl_arena_block){.next = arena->first, .size = room};
		arena->first = block;
	}
	at = block->bytes + block->used;
	block->used += size;
	return at;
}

void tl_arena_clear(struct tl_arena *arena)
{
	while (arena->first) {
		struct tl_arena_block *next = arena->first->next;

		free(arena->first);
		arena->first = next;
	}
}

struct tl_http_call *tl_call_new(struct tl_http *http, struct tl_loop *loop, struct tl_conn *conn)
{
	struct tl_http_call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	call->http = http;
	call->loop = loop;
	call->conn = conn;
	call->file_fd = -1;
	call->pair_fd = -1;
	call->pair_peer_fd = -1;
	tl_buf_init(&call->headers, http->config.max_header_bytes);
	tl_buf_init(&call->out, TL_CALL_REPLY_MAX);
	return call;
}

static const char *decode(struct tl_http_call *call, const char *text, size_t len, bool plus)
{
	char *out = tl_arena_alloc(&call->arena, len + 1);

	return out && tl_percent_decode(text, len, plus, out) == 0 ? out : NULL;
}

static int decode_params(struct tl_http_call *call, const struct tl_route_match *match)
{
	for (size_t i = 0; i < match->param_count; i++) {
		struct tl_pair *pair = &call->params[i];

		pair->name = decode(call, match->params[i].name, match->params[i].name_len, false);
		pair->value =
			decode(call, match->params[i].value, match->params[i].value_len, false);
		if (!pair->name || !pair->value)
			return TL_EINVAL;
	}
	call->param_count = match->param_count;
	return 0;
}

static int decode_query(struct tl_http_call *call, const char *query)
{
	struct tl_pair pairs[TL_CALL_QUERIES_MAX];
	size_t count = 0;

	while (*query) {
		size_t len = strcspn(query, "&");
		size_t name_len = strcspn(query, "=&");
		size_t value_at = name_len < len ? name_len + 1 : name_len;

		if (len > 0 && count == TL_CALL_QUERIES_MAX)
			return TL_EINVAL;
		if (len > 0) {
			pairs[count].name = decode(call, query, name_len, true);
			pairs[count].value = decode(call, query + value_at, len - value_at, true);
			if (!pairs[count].name || !pairs[count].value)
				return TL_EINVAL;
			count++;
		}
		query += len + (query[len] == '&');
	}
	call->queries = tl_arena_alloc(&call->arena, sizeof pairs[0] * count);
	if (!call->queries)
		return TL_ENOMEM;
	memcpy(call->queries, pairs, sizeof pairs[0] * count);
	call->query_count = count;
	return 0;
}

int tl_call_set_route(struct tl_http_call *call, const struct tl_route_match *match)
{
	int rc = decode_params(call, match);

	if (rc < 0)
		return rc;
	call->route = match->route;
	tl_buf_init(&call->body, match->route->body == TL_BODY_STREAM ? TL_CALL_PIECE_MAX
								      : match->route->max_body);
	return call->request.query ? decode_query(call, call->request.query) : 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void tl_call_free(struct tl_http_call *call)
{
	if (!call)
		return;
	tl_hub_unsubscribe(call->subscription);
	close_if_open(call->file_fd);
	close_if_open(call->pair_fd);
	close_if_open(call->pair_peer_fd);
	json_decref(call->json);
	tl_buf_clear(&call->body);
	tl_buf_clear(&call->headers);
	tl_buf_clear(&call->out);
	tl_arena_clear(&call->arena);
	tl_request_clear(&call->request);
	free(call);
}

/* ---- what a handler reads ---- */

const struct tl_principal *tl_http_principal(const struct tl_http_call *call)
{
	return &call->principal;
}

static const char *find_pair(const struct tl_pair *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

const char *tl_http_param(const struct tl_http_call *call, const char *name)
{
	const char *value = find_pair(call->params, call->param_count, name);

	return value ? value : "";
}

const char *tl_http_query(const struct tl_http_call *call, const char *name)
{
	return find_pair(call->queries, call->query_count, name);
}

static const char *join_fields(struct tl_http_call *call, const char *name, size_t size)
{
	char *joined = tl_arena_alloc(&call->arena, size);
	char *at = joined;

	for (size_t i = 0; joined && i < call->request.field_count; i++) {
		if (strcmp(call->request.fields[i].name, name) != 0)
			continue;
		if (at != joined)
			at = stpcpy(at, ", ");
		at = stpcpy(at, call->request.fields[i].value);
	}
	return joined;
}

const char *tl_http_header(const struct tl_http_call *call, const char *name)
{
	const struct tl_request *request = &call->request;
	const char *found = NULL;
	size_t count = 0, size = 1;

	for (size_t i = 0; i < request->field_count; i++) {
		if (strcmp(request->fields[i].name, name) != 0)
			continue;
		found = request->fields[i].value;
		size += strlen(found) + 2;
		count++;
	}
	if (count < 2)
		return found;
	/* The arena is a cache behind a reader's const view. */
	return join_fields((struct tl_http_call *)(uintptr_t)call, name, size);
}

const json_t *tl_http_json(const struct tl_http_call *call)
{
	return call->json;
}

uint64_t tl_http_content_length(const struct tl_http_call *call)
{
	return call->request.content_length;
}

const char *tl_http_peer(const struct tl_http_call *call)
{
	return call->peer;
}

void *tl_http_worker(const struct tl_http_call *call)
{
	return call->worker;
}

void *tl_http_user(const struct tl_http_call *call)
{
	return call->http->config.user;
}

void tl_http_set_state(struct tl_http_call *call, void *state)
{
	call->state = state;
}

void *tl_http_state(const struct tl_http_call *call)
{
	return call->state;
}
