/* The HTTP layer alone, for measuring: one small reply, one upload to a file. Prints its port and serves
 * until standard input ends. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <towline/fs.h>
#include <unistd.h>

#include "http/http.h"

static void small(struct tl_http_call *call)
{
	static const char text[] = "{\"id\":\"01j9zq0c5w8f7k3m2n4p6r8t0v\",\"name\":\"host-1\","
				   "\"state\":\"connected\",\"tickets\":3}";

	tl_http_reply_bytes(call, 200, "application/json", text, sizeof text - 1);
}

static int upload_begin(struct tl_http_call *call)
{
	const char *dir = tl_http_user(call);
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0) {
		tl_http_problem(call, 507, "no-space", "cannot make a file");
		return TL_EIO;
	}
	tl_http_set_state(call, (void *)(intptr_t)fd);
	return 0;
}

static int file_of(const struct tl_http_call *call)
{
	return (int)(intptr_t)tl_http_state(call);
}

static int upload_piece(struct tl_http_call *call, const void *bytes, size_t len)
{
	return tl_fs_write_all(file_of(call), bytes, len, NULL);
}

static void upload_end(struct tl_http_call *call)
{
	close(file_of(call));
	tl_http_reply(call, 201, NULL);
}

static void upload_broken(struct tl_http_call *call)
{
	close(file_of(call));
}

static const struct tl_http_sink upload = {upload_begin, upload_piece, upload_end, upload_broken};

static const struct tl_http_route routes[] = {
	{"GET", "/small", TL_ROLE_NOBODY, TL_BODY_NONE, 0, small, NULL, "a small reply"},
	{"PUT", "/upload", TL_ROLE_NOBODY, TL_BODY_STREAM, UINT64_MAX / 2, NULL, &upload, "a file"},
};

int main(int argc, char **argv)
{
	struct tl_http_config config;
	struct tl_http *http = NULL;
	struct tl_err err = TL_ERR_INIT;
	char byte;

	if (argc != 4) {
		fprintf(stderr, "usage: bench-http-server CERTIFICATE KEY DIRECTORY\n");
		return 64;
	}
	tl_http_config_init(&config);
	config.certificate_file = argv[1];
	config.key_file = argv[2];
	config.user = argv[3];
	config.routes = routes;
	config.route_count = TL_ARRAY_LEN(routes);
	config.keepalive_timeout_ms = 600000;
	if (tl_http_start(&config, &http, &err) < 0) {
		fprintf(stderr, "bench-http-server: %s\n", tl_err_text(&err));
		return tl_err_exit_status(err.code);
	}
	printf("%u\n", tl_http_port(http));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	tl_http_stop(http, 0);
	tl_http_free(http);
	return 0;
}
