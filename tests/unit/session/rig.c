#include "rig.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/record.h>

#include "fake_helper.h"
#include "session/session.h"

#define RUN_OUT_MAX (8 * 1024 * 1024)

struct served {
	struct rig *rig;
	struct served *next;
	int fd;
	struct tl_session_request request;
	char id[TL_ID_LEN + 1];
	struct tl_record *record;
	struct tl_session *session;
};

struct rig {
	char dir[64], helper_path[96];
	char *engineer_line;
	pid_t helper;
	struct tl_key *host_key, *agent_key, *authority;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uv_loop_t loop;
	uv_async_t wake;
	uv_poll_t accept;
	bool listening;
	_Atomic bool stopping;
	struct served *incoming, *running; /* incoming: handed over under the lock */
	char stop_reason[128];
	char end_reason[256];
	unsigned ended;
	int listen_fd;
	unsigned scopes;
	bool record;
};

#define must(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* ---- sessions on the rig's loop ------------------------------------------------------------- */

static void on_end(void *arg, const struct tl_session_outcome *outcome)
{
	struct served *served = arg;
	struct rig *rig = served->rig;
	struct served **at = &rig->running;

	if (served->record && tl_record_seal(served->record, rig->agent_key, NULL) != 0)
		must(strstr(outcome->reason, "the recording failed"));
	tl_record_free(served->record);
	while (*at != served)
		at = &(*at)->next;
	*at = served->next;
	pthread_mutex_lock(&rig->lock);
	snprintf(rig->end_reason, sizeof(rig->end_reason), "%s", outcome->reason);
	rig->ended++;
	pthread_cond_broadcast(&rig->changed);
	pthread_mutex_unlock(&rig->lock);
	tl_session_free(served->session);
	tl_session_request_clear(&served->request);
	free(served);
}

static void begin(struct rig *rig, struct served *served)
{
	struct tl_session_config config = {
		.request = &served->request,
		.host_key = rig->host_key,
		.record = served->record,
		.on_end = on_end,
		.arg = served,
	};
	struct tl_err err = TL_ERR_INIT;

	if (tl_session_start(&rig->loop, served->fd, &config, &served->session, &err) != 0) {
		fprintf(stderr, "session: %s\n", tl_err_text(&err));
		abort();
	}
	served->next = rig->running;
	rig->running = served;
}

static json_t *grant_json(struct rig *rig, const char *session, unsigned scopes,
			  const char *const *keys, struct tl_buf *out)
{
	tl_auto(tl_grant) struct tl_grant grant = {0};
	struct tl_err err = TL_ERR_INIT;
	int64_t now = tl_clock_wall_ms(tl_clock_system());

	snprintf(grant.session, sizeof(grant.session), "%s", session);
	snprintf(grant.relay, sizeof(grant.relay), "%s", tl_id_new(tl_clock_system()).text);
	snprintf(grant.host, sizeof(grant.host), "%s", tl_id_new(tl_clock_system()).text);
	snprintf(grant.engineer, sizeof(grant.engineer), "eva");
	snprintf(grant.name, sizeof(grant.name), "Eva Engineer");
	snprintf(grant.ticket, sizeof(grant.ticket), "T-1001");
	snprintf(grant.purpose, sizeof(grant.purpose), "a test");
	grant.scopes = scopes;
	grant.issued_ms = grant.not_before_ms = now;
	grant.expires_ms = now + 60000;
	grant.max_s = 600;
	for (; *keys; keys++)
		must(tl_strv_push(&grant.keys, *keys) == 0);
	if (tl_grant_sign(&grant, rig->authority, out, &err) != 0) {
		fprintf(stderr, "grant: %s\n", tl_err_text(&err));
		abort();
	}
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "session", session,
			 "relay_url", "https://127.0.0.1", "ca_file", "/none", "access_token", "x",
			 "grant", tl_buf_str(out), "ssh_host_key_file", "/none", "helper_socket",
			 rig->helper_path, "state_dir", rig->dir, "lane", "bastion",
			 "agent_key_file", "/none");
}

static struct tl_record *open_record(struct rig *rig, const char *session)
{
	struct tl_record_header header = {session, "T-1001",	 "host",
					  "eva",   "end-to-end", "endpoint"};
	struct tl_record *record = NULL;
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.jsonl", rig->dir, session);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	must(fd >= 0);
	must(tl_record_new(fd, &header, 1 << 20, tl_clock_system(), &record, NULL) == 0);
	return record;
}

static struct served *served_new(struct rig *rig, int fd, const char *session, unsigned scopes,
				 const char *const *keys, bool record)
{
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(65536);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_SESSION_REQUEST_MAX);
	tl_json *json = grant_json(rig, session, scopes, keys, &grant);
	struct served *served = calloc(1, sizeof(*served));
	struct tl_err err = TL_ERR_INIT;

	must(served && json);
	tl_json_write(&text, json);
	if (tl_session_request_parse(text.data, text.len, &served->request, &err) != 0) {
		fprintf(stderr, "request: %s\n", tl_err_text(&err));
		abort();
	}
	served->rig = rig;
	served->fd = fd;
	served->record = record ? open_record(rig, session) : NULL;
	return served;
}

void rig_serve(struct rig *rig, int fd, const char *session, unsigned scopes,
	       const char *const *keys, bool record)
{
	struct served *served = served_new(rig, fd, session, scopes, keys, record);

	pthread_mutex_lock(&rig->lock);
	served->next = rig->incoming;
	rig->incoming = served;
	pthread_mutex_unlock(&rig->lock);
	uv_async_send(&rig->wake);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct rig *rig = poll->data;
	const char *keys[] = {rig->engineer_line, NULL};
	struct tl_id id = tl_id_new(tl_clock_system());
	int fd = accept4(rig->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)status;
	(void)events;
	if (fd >= 0)
		begin(rig, served_new(rig, fd, id.text, rig->scopes, keys, rig->record));
}

static void on_wake(uv_async_t *wake)
{
	struct rig *rig = wake->data;
	struct served *served, *next;
	char reason[128];

	pthread_mutex_lock(&rig->lock);
	served = rig->incoming;
	rig->incoming = NULL;
	snprintf(reason, sizeof(reason), "%s", rig->stop_reason);
	rig->stop_reason[0] = '\0';
	pthread_mutex_unlock(&rig->lock);
	for (; served; served = next) {
		next = served->next;
		begin(rig, served);
	}
	for (served = rig->running; served && (reason[0] || rig->stopping); served = next) {
		next = served->next;
		tl_session_stop(served->session, reason[0] ? reason : "the test is over");
	}
	if (rig->listening && !uv_is_active((uv_handle_t *)&rig->accept) && !rig->stopping) {
		uv_poll_init(&rig->loop, &rig->accept, rig->listen_fd);
		rig->accept.data = rig;
		uv_poll_start(&rig->accept, UV_READABLE, on_connection);
	}
	if (rig->stopping) {
		if (rig->listening)
			uv_close((uv_handle_t *)&rig->accept, NULL);
		uv_close((uv_handle_t *)&rig->wake, NULL);
	}
}

static void *run_loop(void *arg)
{
	struct rig *rig = arg;

	uv_run(&rig->loop, UV_RUN_DEFAULT);
	must(uv_loop_close(&rig->loop) == 0);
	return NULL;
}

unsigned rig_listen(struct rig *rig, unsigned scopes, bool record)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	rig->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(bind(rig->listen_fd, (struct sockaddr *)&address, len) == 0);
	must(listen(rig->listen_fd, 16) == 0);
	must(getsockname(rig->listen_fd, (struct sockaddr *)&address, &len) == 0);
	rig->scopes = scopes;
	rig->record = record;
	rig->listening = true;
	uv_async_send(&rig->wake);
	return ntohs(address.sin_port);
}

const char *rig_wait_end(struct rig *rig)
{
	pthread_mutex_lock(&rig->lock);
	while (rig->ended == 0)
		pthread_cond_wait(&rig->changed, &rig->lock);
	rig->ended--;
	pthread_mutex_unlock(&rig->lock);
	return rig->end_reason;
}

void rig_stop_session(struct rig *rig, const char *reason)
{
	pthread_mutex_lock(&rig->lock);
	snprintf(rig->stop_reason, sizeof(rig->stop_reason), "%s", reason);
	pthread_mutex_unlock(&rig->lock);
	uv_async_send(&rig->wake);
}

/* ---- the rig -------------------------------------------------------------------------------- */

struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const char *tmp = getenv("TMPDIR");
	struct rig_run run;

	must(rig);
	snprintf(rig->dir, sizeof(rig->dir), "%.40s/rigXXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(rig->dir));
	rig->listen_fd = -1;
	snprintf(rig->helper_path, sizeof(rig->helper_path), "%s/helper.sock", rig->dir);
	rig->helper = fake_helper_start(rig->helper_path);
	must(rig->helper > 0);
	must(tl_key_generate(&rig->host_key, NULL) == 0);
	must(tl_key_generate(&rig->agent_key, NULL) == 0);
	must(tl_key_generate(&rig->authority, NULL) == 0);
	run = rig_sh(rig, NULL, "ssh-keygen -q -t ed25519 -N '' -f engineer && cat engineer.pub");
	must(run.status == 0);
	rig->engineer_line = strndup(run.out, strcspn(run.out, "\n"));
	rig_run_clear(&run);
	pthread_mutex_init(&rig->lock, NULL);
	pthread_cond_init(&rig->changed, NULL);
	uv_loop_init(&rig->loop);
	uv_async_init(&rig->loop, &rig->wake, on_wake);
	rig->wake.data = rig;
	must(pthread_create(&rig->thread, NULL, run_loop, rig) == 0);
	return rig;
}

void rig_free(struct rig *rig)
{
	struct rig_run run;

	rig->stopping = true;
	uv_async_send(&rig->wake);
	pthread_join(rig->thread, NULL);
	fake_helper_stop(rig->helper);
	if (rig->listen_fd >= 0)
		close(rig->listen_fd);
	run = rig_sh(rig, NULL, "rm -r -- \"$PWD\"");
	rig_run_clear(&run);
	tl_key_free(rig->host_key);
	tl_key_free(rig->agent_key);
	tl_key_free(rig->authority);
	free(rig->engineer_line);
	pthread_mutex_destroy(&rig->lock);
	pthread_cond_destroy(&rig->changed);
	free(rig);
}

const char *rig_dir(const struct rig *rig)
{
	return rig->dir;
}

const struct tl_key *rig_host_key(const struct rig *rig)
{
	return rig->host_key;
}

const struct tl_key *rig_agent_key(const struct rig *rig)
{
	return rig->agent_key;
}

const char *rig_engineer_line(const struct rig *rig)
{
	return rig->engineer_line;
}

/* ---- commands ------------------------------------------------------------------------------- */

static pid_t start_command(struct rig *rig, const char *command, int fds[3])
{
	int pipes[3][2];
	pid_t pid;

	for (int i = 0; i < 3; i++)
		must(pipe2(pipes[i], O_CLOEXEC) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			dup2(pipes[i][i == 0 ? 0 : 1], i);
		if (chdir(rig->dir) != 0)
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 3; i++) {
		close(pipes[i][i == 0 ? 0 : 1]);
		fds[i] = pipes[i][i == 0 ? 1 : 0];
	}
	return pid;
}

static bool collect(int *fd, struct tl_buf *into)
{
	char bytes[65536];
	ssize_t got = read(*fd, bytes, sizeof(bytes));

	if (got <= 0) {
		close(*fd);
		*fd = -1;
		return false;
	}
	tl_buf_append(into, bytes, (size_t)got);
	return true;
}

struct rig_run rig_sh(struct rig *rig, const char *input, const char *format, ...)
{
	struct tl_buf out = TL_BUF_INIT(RUN_OUT_MAX), err = TL_BUF_INIT(RUN_OUT_MAX);
	struct rig_run run = {0};
	char *command = NULL;
	int fds[3], status;
	va_list args;
	pid_t pid;

	va_start(args, format);
	must(vasprintf(&command, format, args) > 0);
	va_end(args);
	pid = start_command(rig, command, fds);
	free(command);
	if (input)
		must(tl_fs_write_all(fds[0], input, strlen(input), NULL) == 0);
	close(fds[0]);
	while (fds[1] >= 0 || fds[2] >= 0) {
		struct pollfd items[2] = {{fds[1], POLLIN, 0}, {fds[2], POLLIN, 0}};

		must(poll(items, 2, 60000) > 0);
		if (items[0].revents)
			collect(&fds[1], &out);
		if (items[1].revents)
			collect(&fds[2], &err);
	}
	must(waitpid(pid, &status, 0) == pid);
	run.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	run.out_len = out.len;
	run.err_len = err.len;
	run.out = tl_buf_take(&out);
	run.err = tl_buf_take(&err);
	return run;
}

void rig_run_clear(struct rig_run *run)
{
	free(run->out);
	free(run->err);
}
