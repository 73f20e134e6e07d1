/* towline-collect: makes one bundle. Run by the helper or the agent, never by a person:
 * fd 0 one JSON request, fd 1 the JSON result, fd 3 the bundle, fd 4 (where open) progress. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/str.h>

#include "collect/collect.h"
#include "collect/interrupt.h"
#include "collect/limits.h"

#define BUNDLE_FD 3
#define PROGRESS_FD 4

static const char usage[] = "usage: towline-collect <REQUEST 3>BUNDLE [4>PROGRESS] >RESULT\n"
			    "\n"
			    "Collects a diagnostic bundle, redacted as it is read. Run by "
			    "towline-helper and towline-agent;\n"
			    "people use \"towline-agent collect\".\n"
			    "\n"
			    "REQUEST is one JSON object: {\"help_id\", \"summary\", \"profile\": "
			    "\"standard\" or \"quick\",\n"
			    "\"agent_version\", \"host\", \"ticket\"}, each member optional. "
			    "RESULT is one JSON object; after a failure {\"code\", "
			    "\"text\"}.\n";

static int read_request(json_t **ret_json, struct tl_err *err)
{
	static char text[COLLECT_REQUEST_MAX + 1];
	size_t len = 0;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, text + len, sizeof text - len);
		int r = interrupt_check(err);

		if (r < 0)
			return r;
		if (n < 0 && errno != EINTR)
			return tl_err_sys(err, TL_EIO, errno, "the request cannot be read");
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
		if (len > COLLECT_REQUEST_MAX)
			return tl_err_set(err, TL_ETOOBIG, "the request is larger than %d bytes",
					  COLLECT_REQUEST_MAX);
	}
	return tl_json_parse(text, len, ret_json, err);
}

static int collect(struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(64 * 1024 * 1024);
	tl_json *json = NULL;
	tl_json *result = NULL;
	struct collect_request request;
	struct collect_options options = {
		.clock = tl_clock_system(),
		.root = "",
		.bundle_fd = BUNDLE_FD,
		.progress_fd = fcntl(PROGRESS_FD, F_GETFD) < 0 ? -1 : PROGRESS_FD,
	};
	int r = read_request(&json, err);

	options.rows = collectors_all(&options.row_count);
	if (r == 0)
		r = collect_request_read(json, &request, err);
	if (r == 0)
		r = collect_run(&request, &options, &result, err);
	if (r < 0)
		return r;
	tl_json_write(&line, result);
	tl_buf_putc(&line, '\n');
	if (tl_buf_check(&line) < 0)
		return tl_err_set(err, TL_ETOOBIG, "the result is too large");
	return tl_fs_write_all(STDOUT_FILENO, line.data, line.len, err);
}

/* For whoever waits for the result, and for the log. */
static void tell_failure(const struct tl_err *err)
{
	tl_json *json =
		json_pack("{s:s, s:s}", "code", tl_err_name(err->code), "text", tl_err_text(err));

	fprintf(stderr, "towline-collect: %s\n", tl_err_text(err));
	if (json && json_dumpfd(json, STDOUT_FILENO, JSON_COMPACT) == 0)
		(void)!write(STDOUT_FILENO, "\n", 1);
}

int main(int argc, char **argv)
{
	struct tl_err err = TL_ERR_INIT;
	int r;

	if (argc > 1) {
		bool help = tl_streq(argv[1], "--help");

		fputs(usage, help ? stdout : stderr);
		return help ? 0 : tl_err_exit_status(TL_EUSAGE);
	}
	if (fcntl(BUNDLE_FD, F_GETFD) < 0) {
		fputs("towline-collect: descriptor 3, where the bundle goes, is not open\n",
		      stderr);
		return tl_err_exit_status(TL_EUSAGE);
	}
	for (int fd = BUNDLE_FD; fd <= PROGRESS_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	interrupt_install();
	limits_be_idle();
	r = collect(&err);
	if (r < 0)
		tell_failure(&err);
	return tl_err_exit_status(r);
}
