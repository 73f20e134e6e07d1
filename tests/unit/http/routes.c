#include "routes.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <towline/line.h>
#include <towline/str.h>
#include <unistd.h>

#include "fixture.h"

#define FILE_SIZE ((uint64_t)8 * 1024 * 1024)

static struct fixture *fixture_of(struct tl_http_call *call)
{
	struct fixture *fixture = tl_http_user(call);

	atomic_fetch_add(&fixture->calls, 1);
	return fixture;
}

static void hello(struct tl_http_call *call)
{
	fixture_of(call);
	tl_http_reply(call, 200, json_pack("{s:s}", "hello", "world"));
}

static void whoami(struct tl_http_call *call)
{
	fixture_of(call);
	tl_http_reply(call, 200,
		      json_pack("{s:s, s:s}", "login", tl_http_principal(call)->login, "peer",
				tl_http_peer(call)));
}

static void echo(struct tl_http_call *call)
{
	fixture_of(call);
	tl_http_reply(call, 200, json_deep_copy(tl_http_json(call)));
}

static void item(struct tl_http_call *call)
{
	const char *view = tl_http_query(call, "view");

	fixture_of(call);
	tl_http_reply(call, 200,
		      json_pack("{s:s, s:s*}", "id", tl_http_param(call, "id"), "view", view));
}

static void tagged(struct tl_http_call *call)
{
	fixture_of(call);
	tl_http_add_header(call, "ETag", "\"v1\"");
	tl_http_reply(call, 200, json_pack("{s:i}", "version", 1));
}

static void mute(struct tl_http_call *call)
{
	fixture_of(call);
}

/* Byte i of the file is i / 1024 modulo 251. */
static void file(struct tl_http_call *call)
{
	char path[128], block[1024];
	struct fixture *fixture = fixture_of(call);
	int fd;

	snprintf(path, sizeof path, "%s/file-XXXXXX", fixture->dir);
	fd = mkstemp(path);
	unlink(path);
	for (uint64_t i = 0; i < FILE_SIZE / sizeof block; i++) {
		memset(block, (int)(i % 251), sizeof block);
		if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
			break;
	}
	tl_http_reply_file(call, "application/octet-stream", fd, FILE_SIZE, "\"file-1\"");
}

static void events(struct tl_http_call *call)
{
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(1024);
	const char *lifetime = tl_http_query(call, "lifetime");
	uint64_t lifetime_ms = 0;

	fixture_of(call);
	if (lifetime && tl_str_u64(lifetime, 60000, &lifetime_ms) < 0)
		lifetime_ms = 0;
	tl_http_sse_format(&first, NULL, "pending", "one");
	tl_http_stream(call, tl_http_param(call, "topic"), &first, (int64_t)lifetime_ms);
}

static int upload_begin(struct tl_http_call *call)
{
	fixture_of(call);
	if (tl_http_query(call, "refuse")) {
		tl_http_problem(call, 409, "refused", "not now");
		return TL_ECONFLICT;
	}
	return 0;
}

/* The bytes must be a running counter modulo 251. */
static int upload_piece(struct tl_http_call *call, const void *bytes, size_t len)
{
	struct fixture *fixture = tl_http_user(call);
	const unsigned char *at = bytes;
	uintptr_t position = (uintptr_t)tl_http_state(call);

	while (atomic_load(&fixture->hold))
		poll(NULL, 0, 1);
	for (size_t i = 0; i < len; i++, position++)
		if (at[i] != position % 251) {
			tl_http_problem(call, 422, "corrupt", "a byte is not what it should be");
			return TL_EINVAL;
		}
	tl_http_set_state(call, (void *)position);
	atomic_fetch_add(&fixture->upload_bytes, len);
	atomic_fetch_add(&fixture->upload_pieces, 1);
	return 0;
}

static void upload_end(struct tl_http_call *call)
{
	struct fixture *fixture = tl_http_user(call);

	atomic_fetch_add(&fixture->uploads_ended, 1);
	tl_http_reply(call, 201,
		      json_pack("{s:I}", "bytes", (json_int_t)(uintptr_t)tl_http_state(call)));
}

static void upload_broken(struct tl_http_call *call)
{
	struct fixture *fixture = tl_http_user(call);

	atomic_fetch_add(&fixture->uploads_broken, 1);
}

static const struct tl_http_sink upload = {
	.begin = upload_begin,
	.piece = upload_piece,
	.end = upload_end,
	.broken = upload_broken,
};

static void on_open(void *arg, int fd)
{
	struct fixture *fixture = arg;

	atomic_store(&fixture->upgraded_fd, fd);
	atomic_fetch_add(&fixture->opened, 1);
}

static void upgrade(struct tl_http_call *call)
{
	tl_http_upgrade(call, "towline-test", on_open, fixture_of(call));
}

static void on_lost(void *arg)
{
	struct fixture *fixture = arg;

	atomic_fetch_add(&fixture->lost, 1);
}

static void on_free(void *arg)
{
	struct fixture *fixture = arg;

	atomic_fetch_add(&fixture->freed, 1);
}

/* A new line without a token, and with one what goes on with it. */
static void line(struct tl_http_call *call)
{
	const struct tl_http_line_config config = {
		.name = tl_http_param(call, "name"),
		.gap_ms = fixture_of(call)->gap_ms,
		.on_open = on_open,
		.on_lost = on_lost,
		.on_free = on_free,
		.arg = fixture_of(call),
	};
	struct tl_line_hello hello;

	if (tl_line_hello_parse(tl_http_header(call, "towline-line"), &hello) != 0)
		tl_http_problem(call, 400, "invalid", "no line");
	else if (hello.token[0])
		tl_http_line_resume(call, "towline-test", config.name, &hello);
	else
		tl_http_line(call, "towline-test", &config);
}

static void socket_open(struct tl_http_call *call)
{
	const struct tl_http_ws ws = {
		.protocol = "test.towline",
		.max_message = SOCKET_MESSAGE_MAX,
		.on_open = on_open,
		.arg = fixture_of(call),
	};

	tl_http_websocket(call, &ws);
}

#define JSON TL_BODY_JSON, 65536
#define NONE TL_BODY_NONE, 0

static const struct tl_http_route routes[] = {
	{"POST", "/echo", TL_ROLE_NOBODY, JSON, echo, NULL, "answers the body"},
	{"POST", "/echo-known", TL_ROLE_ENGINEER, JSON, echo, NULL, "as /echo, for engineers"},
	{"GET", "/events/:topic", TL_ROLE_NOBODY, NONE, events, NULL, "a stream"},
	{"GET", "/file", TL_ROLE_NOBODY, NONE, file, NULL, "8 MiB"},
	{"POST", "/form", TL_ROLE_NOBODY, TL_BODY_FORM, 4096, echo, NULL, "answers the form"},
	{"GET", "/hello", TL_ROLE_NOBODY, NONE, hello, NULL, "hello"},
	{"GET", "/items/:id", TL_ROLE_NOBODY, NONE, item, NULL, "an item"},
	{"GET", "/line/:name", TL_ROLE_NOBODY, NONE, line, NULL, "a stream that outlives"},
	{"GET", "/mute", TL_ROLE_NOBODY, NONE, mute, NULL, "does not reply"},
	{"GET", "/socket", TL_ROLE_NOBODY, NONE, socket_open, NULL, "a WebSocket"},
	{"GET", "/tagged", TL_ROLE_NOBODY, NONE, tagged, NULL, "has an ETag"},
	{"GET", "/upgrade", TL_ROLE_NOBODY, NONE, upgrade, NULL, "a raw stream"},
	{"PUT", "/upload", TL_ROLE_NOBODY, TL_BODY_STREAM, (uint64_t)1 << 40, NULL, &upload,
	 "takes a counter"},
	{"PUT", "/upload-known", TL_ROLE_ENGINEER, TL_BODY_STREAM, (uint64_t)1 << 40, NULL, &upload,
	 "as /upload, for engineers"},
	{"GET", "/whoami", TL_ROLE_ENGINEER | TL_ROLE_ADMIN, NONE, whoami, NULL, "the principal"},
};

static int authenticate(struct tl_http_call *call, struct tl_principal *ret_principal,
			struct tl_err *err)
{
	const char *credentials = tl_http_header(call, "authorization");

	if (tl_streq(credentials, "Bearer engineer"))
		ret_principal->role = TL_ROLE_ENGINEER;
	else if (tl_streq(credentials, "Bearer host"))
		ret_principal->role = TL_ROLE_HOST;
	else
		return tl_err_set(err, TL_EAUTH, "a bearer token is needed");
	snprintf(ret_principal->login, sizeof ret_principal->login, "%s", credentials + 7);
	return 0;
}

void routes_install(struct tl_http_config *config)
{
	config->routes = routes;
	config->route_count = TL_ARRAY_LEN(routes);
	config->authenticate = authenticate;
}
