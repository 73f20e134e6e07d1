/* towline-session: one called-home SSH session. Started by towline-agent; see session/request.h. */
#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/program.h>
#include <towline/str.h>

#include "session/carrier.h"
#include "session/orders.h"
#include "session/session.h"
#include "session/upload.h"

#define UPLOAD_MS 60000	  /* for what is left when the session has ended */
#define LEFTOVER_MS 30000 /* for each recording of an earlier session */
#define SUFFIX ".jsonl"

struct program {
	uv_loop_t loop;
	struct tl_session_request request;
	struct tl_key *host_key, *agent_key;
	struct tl_record *record;
	struct tl_recording_upload *upload;
	struct tl_carrier *carrier;
	struct tl_session *session;
	struct tl_orders *orders;
	uv_signal_t term;
	char dir[4200], path[4300];
	char reason[256];
	uint64_t bytes_in, bytes_out;
};

/* ---- the recording (end-to-end lane) ---------------------------------------------------------- */

static void on_recorded(void *arg, const char *line, size_t len)
{
	struct program *program = arg;

	(void)line;
	(void)len;
	tl_recording_upload_wake(program->upload);
}

static int open_record_file(struct program *program, int *ret_fd, struct tl_err *err)
{
	tl_fd int dir_fd = -1;
	int rc;

	snprintf(program->dir, sizeof(program->dir), "%s/recordings", program->request.state_dir);
	snprintf(program->path, sizeof(program->path), "%s/%s" SUFFIX, program->dir,
		 program->request.session);
	rc = tl_fs_make_dir(program->dir, 0700, &dir_fd, err);
	if (rc != 0)
		return rc;
	*ret_fd = open(program->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (*ret_fd < 0)
		return tl_err_set(err, TL_EIO, "the recording %s cannot be made", program->path);
	/* Held while we write: another session's program leaves the file alone. */
	(void)flock(*ret_fd, LOCK_EX | LOCK_NB);
	return 0;
}

static int start_record(struct program *program, struct tl_err *err)
{
	struct tl_record_header header = {
		.session = program->request.session,
		.ticket = program->request.ticket,
		.host = program->request.host,
		.engineer = program->request.engineer,
		.lane = tl_lane_name(program->request.lane),
		.recorder = "endpoint",
	};
	int fd = -1;
	int rc;

	if (program->request.lane != TL_LANE_END_TO_END)
		return 0;
	rc = tl_key_load(AT_FDCWD, program->request.agent_key_file, &program->agent_key, err);
	if (rc == 0)
		rc = open_record_file(program, &fd, err);
	if (rc == 0)
		rc = tl_record_new(fd, &header, TL_SESSION_RECORD_RESERVE, tl_clock_system(),
				   &program->record, err);
	if (rc == 0)
		rc = tl_recording_upload_start(&program->request, program->path,
					       program->request.session, &program->upload, err);
	if (rc == 0)
		tl_record_set_tap(program->record, on_recorded, program);
	return rc;
}

static void finish_record(struct program *program)
{
	struct tl_err err = TL_ERR_INIT;

	if (!program->record)
		return;
	if (tl_record_seal(program->record, program->agent_key, &err) != 0)
		tl_log_error("the recording could not be sealed", TL_ERR(&err));
	tl_record_free(tl_steal(&program->record));
	if (program->upload && !tl_recording_upload_finish(tl_steal(&program->upload), UPLOAD_MS))
		tl_log_warning("the relay does not have the whole recording yet",
			       TL_S("session", program->request.session));
}

/* A recording whose upload an earlier session could not finish, and that nobody writes any more. */
static void send_leftover(struct program *program, const char *name)
{
	struct tl_recording_upload *upload = NULL;
	char path[4600], session[TL_ID_LEN + 1];
	tl_fd int fd = -1;

	snprintf(session, sizeof(session), "%.*s", TL_ID_LEN, name);
	snprintf(path, sizeof(path), "%s/%s", program->dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return;
	if (tl_recording_upload_start(&program->request, path, session, &upload, NULL) == 0)
		(void)tl_recording_upload_finish(upload, LEFTOVER_MS);
}

static void send_leftovers(struct program *program)
{
	DIR *dir = program->dir[0] ? opendir(program->dir) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strlen(entry->d_name) == TL_ID_LEN + strlen(SUFFIX) &&
		    tl_str_ends(entry->d_name, SUFFIX))
			send_leftover(program, entry->d_name);
	if (dir)
		closedir(dir);
}

/* ---- what happens while it runs --------------------------------------------------------------- */

static void on_end(void *arg, const struct tl_session_outcome *outcome)
{
	struct program *program = arg;

	snprintf(program->reason, sizeof(program->reason), "%s", outcome->reason);
	tl_log_info("the session ends", TL_S("session", program->request.session),
		    TL_S("reason", outcome->reason));
	program->bytes_in = outcome->bytes_in;
	program->bytes_out = outcome->bytes_out;
	tl_session_free(tl_steal(&program->session));
	tl_carrier_free(tl_steal(&program->carrier));
	tl_orders_free(tl_steal(&program->orders));
	uv_close((uv_handle_t *)&program->term, NULL);
}

/* The SSH side sees the end of its stream by itself; why it came, it is told. */
static void on_carrier_end(void *arg, const char *sentence)
{
	struct program *program = arg;

	if (sentence && program->session)
		tl_session_stop(program->session, sentence);
}

static void on_token(void *arg, const char *access_token)
{
	struct program *program = arg;

	if (program->upload)
		tl_recording_upload_token(program->upload, access_token);
	if (program->carrier)
		tl_carrier_token(program->carrier, access_token);
}

static void on_stop(void *arg, const char *reason)
{
	struct program *program = arg;

	if (program->session)
		tl_session_stop(program->session, reason);
}

static const struct tl_orders_events orders_events = {.token = on_token, .stop = on_stop};

static void on_term(uv_signal_t *handle, int number)
{
	(void)number;
	on_stop(handle->data, "the agent stopped");
}

/* ---- straight on ------------------------------------------------------------------------------ */

static int call_home(struct program *program, int *ret_fd, struct tl_err *err)
{
	const struct tl_dial_ask ask = {.access_token = program->request.access_token,
					.timeout_ms = TL_DIAL_TIMEOUT_MS};
	const struct tl_carrier_config config = {.request = &program->request,
						 .clock = tl_clock_system(),
						 .on_end = on_carrier_end,
						 .arg = program};
	tl_auto(tl_dialled) struct tl_dialled dialled = {.curl = NULL};
	int pair[2];
	int rc = tl_dial(&program->request, &ask, &dialled, err);

	if (rc != 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return tl_err_set(err, TL_EIO, "no descriptors left");
	rc = tl_carrier_start(&program->loop, &dialled, pair[0], &config, &program->carrier, err);
	if (rc != 0)
		close(pair[1]);
	else
		*ret_fd = pair[1];
	return rc;
}

static int serve(struct program *program, struct tl_err *err)
{
	struct tl_session_config config = {.request = &program->request,
					   .on_end = on_end,
					   .arg = program};
	int fd = -1;
	int rc = tl_key_load(AT_FDCWD, program->request.ssh_host_key_file, &program->host_key, err);

	if (rc == 0)
		rc = start_record(program, err);
	if (rc == 0)
		rc = call_home(program, &fd, err);
	if (rc != 0)
		return rc;
	config.host_key = program->host_key;
	config.record = program->record;
	rc = tl_session_start(&program->loop, fd, &config, &program->session, err);
	if (rc == 0)
		rc = tl_orders_watch(&program->loop, STDIN_FILENO, &orders_events, program,
				     &program->orders, err);
	if (rc != 0)
		return rc;
	uv_signal_init(&program->loop, &program->term);
	program->term.data = program;
	uv_signal_start(&program->term, on_term, SIGTERM);
	uv_run(&program->loop, UV_RUN_DEFAULT);
	return 0;
}

static void tell_result(const struct program *program)
{
	tl_json *line = json_pack("{s:s,s:I,s:I}", "reason", program->reason, "bytes_in",
				  (json_int_t)program->bytes_in, "bytes_out",
				  (json_int_t)program->bytes_out);

	if (!line || json_dumpf(line, stdout, JSON_COMPACT) != 0 || puts("") == EOF ||
	    fflush(stdout) != 0)
		tl_log_error("the agent does not read the session's result");
}

static void program_clear(struct program *program)
{
	tl_key_free(program->host_key);
	tl_key_free(program->agent_key);
	tl_session_request_clear(&program->request);
	uv_loop_close(&program->loop);
	curl_global_cleanup();
}

int main(void)
{
	static struct program program;
	struct tl_err err = TL_ERR_INIT;
	int rc;

	tl_program_no_core();
	signal(SIGPIPE, SIG_IGN);
	tl_log_open("towline-session", TL_LOG_AUTO, TL_LOG_INFO);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	(void)ssh_init();
	uv_loop_init(&program.loop);
	rc = tl_orders_request(STDIN_FILENO, &program.request, &err);
	if (rc == 0)
		rc = serve(&program, &err);
	if (rc != 0) {
		snprintf(program.reason, sizeof(program.reason), "%s", tl_err_text(&err));
		tl_log_error("the session failed", TL_ERR(&err));
	}
	finish_record(&program);
	tell_result(&program);
	send_leftovers(&program);
	program_clear(&program);
	return tl_err_exit_status(rc);
}
