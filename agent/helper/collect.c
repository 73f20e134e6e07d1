#include "helper/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/program.h>

#include "helper/helper.h"
#include "helper/pseudonyms.h"

#define OUTPUT_MAX (8 * 1024 * 1024)
#define ANSWER_MAX (TL_IPC_PACKET_MAX - 4096)
#define LIST_MAX 128
#define RECIPIENTS_MAX 16
#define REQUEST_MAX (48 * 1024) /* below what a pipe holds: writing it never blocks */
#define AGENT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct tl_collection {
	struct tl_helper *helper;
	struct tl_ask *ask;
	uv_timer_t timer;
	uv_poll_t output;
	int output_fd;
	struct tl_buf line; /* the last one counts: the result */
	pid_t pid;
	bool exited, output_ended;
	int wait_status;
	unsigned open_handles;
	char stop_reason[TL_ERR_TEXT_MAX];
};

struct collect_args {
	const char *profile, *help_id, *summary, *ticket, *level;
	const char *since, *until, *around, *boot;
	json_t *exclude, *include, *recipients;
	int64_t max_bytes;
	bool dry_run;
};

#define ARG(field) offsetof(struct collect_args, field)

static int read_args(const json_t *args, struct collect_args *ret_args, struct tl_err *err)
{
	/* What times and names mean the collector knows; here they are only bounded. */
	static const struct tl_json_member members[] = {
		{"around", TL_JSON_TEXT, false, ARG(around), 0, 128},
		{"boot", TL_JSON_TEXT, false, ARG(boot), 0, 64},
		{"dry_run", TL_JSON_BOOL, false, ARG(dry_run)},
		{"exclude", TL_JSON_ARRAY, false, ARG(exclude), 0, LIST_MAX},
		{"help_id", TL_JSON_ID, true, ARG(help_id)},
		{"include", TL_JSON_ARRAY, false, ARG(include), 0, LIST_MAX},
		{"level", TL_JSON_NAME, false, ARG(level), 0, 16},
		{"max_bytes", TL_JSON_INT, false, ARG(max_bytes), 0, INT64_MAX},
		{"profile", TL_JSON_TEXT, true, ARG(profile), 0, 320},
		{"recipients", TL_JSON_ARRAY, false, ARG(recipients), 0, RECIPIENTS_MAX},
		{"since", TL_JSON_TEXT, false, ARG(since), 0, 128},
		{"summary", TL_JSON_TEXT, true, ARG(summary), 0, 2000},
		{"ticket", TL_JSON_NAME, false, ARG(ticket), 0, 32},
		{"until", TL_JSON_TEXT, false, ARG(until), 0, 128},
	};

	ret_args->level = "secrets";
	return tl_json_read(args, members, TL_ARRAY_LEN(members), ret_args, err);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct tl_collection *collection = handle->data;

	if (--collection->open_handles > 0)
		return;
	close(collection->output_fd);
	tl_buf_clear(&collection->line);
	free(collection);
}

static void collection_close(struct tl_collection *collection)
{
	struct tl_helper *helper = collection->helper;

	tl_cgroup_end(&helper->cgroup);
	helper->collection = NULL;
	uv_close((uv_handle_t *)&collection->timer, on_handle_closed);
	uv_close((uv_handle_t *)&collection->output, on_handle_closed);
	tl_helper_settle(helper);
}

static bool fits(const json_t *result)
{
	return json_dumpb(result, NULL, 0, JSON_COMPACT) <= ANSWER_MAX;
}

/* Keeps three quarters of a list until all fits; how many were left out goes beside it. */
static void shorten(json_t *result, const char *list_name, const char *omitted_name)
{
	json_t *list = json_object_get(result, list_name);
	size_t omitted = 0;

	while (json_array_size(list) > 0 && !fits(result)) {
		size_t keep = json_array_size(list) * 3 / 4;

		omitted += json_array_size(list) - keep;
		while (json_array_size(list) > keep)
			json_array_remove(list, json_array_size(list) - 1);
		json_object_set_new(result, omitted_name, json_integer((json_int_t)omitted));
	}
}

/* A packet holds 64 KB; a bundle may have thousands of files: the lists are shown as far as they fit. */
static void shorten_lists(json_t *result)
{
	json_t *rows = json_object_get(result, "collectors"), *row;
	size_t i;

	shorten(result, "files", "files_omitted");
	if (fits(result))
		return;
	json_array_foreach(rows, i, row) json_object_del(row, "items");
	shorten(result, "collectors", "collectors_omitted");
}

static int read_result(const struct tl_collection *collection, json_t **ret_result,
		       struct tl_err *err)
{
	const char *text = tl_buf_str(&collection->line);
	tl_json *result = NULL;

	if (collection->stop_reason[0])
		return tl_err_set(err, TL_ETIMEOUT, "%s", collection->stop_reason);
	if (tl_buf_check(&collection->line) != 0 || collection->line.len == 0 ||
	    tl_json_parse(text, collection->line.len, &result, NULL) != 0 ||
	    !json_is_object(result))
		return tl_err_set(
			err, TL_EIO,
			WIFSIGNALED(collection->wait_status)
				? "the collector was ended by signal %d: see the helper's log"
				: "the collector made no bundle (exit status %d): see the "
				  "helper's log",
			WIFSIGNALED(collection->wait_status)
				? WTERMSIG(collection->wait_status)
				: WEXITSTATUS(collection->wait_status));
	if (!json_is_string(json_object_get(result, "sha256")) &&
	    !json_is_true(json_object_get(result, "dry_run"))) {
		const char *why = json_string_value(json_object_get(result, "text"));
		const char *code = json_string_value(json_object_get(result, "code"));

		return tl_err_set(err, code && tl_err_by_name(code) ? tl_err_by_name(code) : TL_EIO,
				  "the collector made no bundle: %s",
				  why ? why : "it gives no reason");
	}
	shorten_lists(result);
	*ret_result = tl_steal(&result);
	return 0;
}

static void finish_when_over(struct tl_collection *collection)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *result = NULL;

	if (!collection->exited || !collection->output_ended)
		return;
	if (read_result(collection, &result, &err) == 0) {
		tl_ask_reply(collection->ask, result, NULL, 0);
	} else {
		tl_log_warning("collection failed", TL_ERR(&err));
		tl_ask_fail(collection->ask, err.code, tl_err_text(&err));
	}
	collection_close(collection);
}

static void take_output(struct tl_collection *collection, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		size_t run = end ? (size_t)(end - bytes) : len;
		bool ended = collection->line.len > 0 &&
			     collection->line.data[collection->line.len - 1] == '\n';

		if (ended)
			tl_buf_reset(&collection->line);
		tl_buf_append(&collection->line, bytes, run);
		if (end)
			tl_buf_putc(&collection->line, '\n');
		run += end ? 1 : 0;
		bytes += run;
		len -= run;
	}
}

static void end_output(struct tl_collection *collection)
{
	uv_poll_stop(&collection->output);
	collection->output_ended = true;
	finish_when_over(collection);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
	struct tl_collection *collection = poll->data;
	char bytes[16384];
	ssize_t got = read(collection->output_fd, bytes, sizeof(bytes));

	(void)status;
	(void)events;
	if (got > 0) {
		take_output(collection, bytes, (size_t)got);
		return;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end_output(collection);
}

pid_t tl_collection_pid(const struct tl_collection *collection)
{
	return collection->exited ? -1 : collection->pid;
}

void tl_collection_reap(struct tl_collection *collection)
{
	siginfo_t info = {.si_pid = 0};

	if (!collection || collection->exited ||
	    waitid(P_PID, (id_t)collection->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    info.si_pid == 0)
		return;
	/* A grandchild that kept the pipe open must not hold the answer up; before the number is
	 * given back, and may be another's. */
	tl_child_signal_session(collection->pid, SIGKILL);
	waitpid(collection->pid, &collection->wait_status, 0);
	collection->exited = true;
	finish_when_over(collection);
}

void tl_collection_stop(struct tl_collection *collection, const char *reason)
{
	if (!collection)
		return;
	snprintf(collection->stop_reason, sizeof(collection->stop_reason), "%s", reason);
	if (collection->exited)
		end_output(collection); /* what holds the pipe left the collector's session */
	else
		tl_child_signal_session(collection->pid, SIGKILL);
}

void tl_collection_conn_gone(struct tl_collection *collection, const struct tl_conn *conn)
{
	(void)conn;
	if (collection && !collection->ask->conn)
		tl_collection_stop(collection, "nobody waits for the collection any more");
}

static void on_timeout(uv_timer_t *timer)
{
	tl_collection_stop(timer->data, "the collection took longer than collect.timeout allows");
}

static void set_text(json_t *request, const char *name, const char *text)
{
	if (text)
		json_object_set_new(request, name, json_string(text));
}

static void set_list(json_t *request, const char *name, json_t *list)
{
	if (list)
		json_object_set(request, name, list);
}

static bool is_pseudonymous(const struct collect_args *args)
{
	return tl_streq(args->level, "identities");
}

/* A mistyped name must not send what it was to keep. Policy's may be of other versions. */
static void add_named(json_t *named, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text && !strchr(text, '/'))
			json_array_append(named, json_array_get(list, i));
	}
}

/* What the collector is told: what was asked for, and what policy adds. */
static json_t *make_request(const struct tl_helper *helper, const struct collect_args *args)
{
	json_t *exclude = args->exclude ? json_deep_copy(args->exclude) : json_array();
	json_t *named = json_array();
	char state_dir[PATH_MAX];
	json_t *request =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:o, s:o}", "help_id",
			  args->help_id, "summary", args->summary, "profile", args->profile,
			  "level", args->level, "agent_version", TOWLINE_VERSION, "host",
			  helper->trust.identity.host_id, "max_bytes", (json_int_t)args->max_bytes,
			  "dry_run", args->dry_run, "exclude", exclude, "named", named);

	if (!request)
		return NULL;
	add_named(named, args->exclude);
	add_named(named, args->include);
	tl_policy_add_excludes(&helper->policy, exclude);
	set_text(request, "ticket", args->ticket);
	set_text(request, "since", args->since);
	set_text(request, "until", args->until);
	set_text(request, "around", args->around);
	set_text(request, "boot", args->boot);
	set_list(request, "include", args->include);
	set_list(request, "recipients", args->recipients);
	if (is_pseudonymous(args) && realpath(helper->options.state_dir, state_dir)) {
		json_object_set_new(request, "state_dir", json_string(state_dir));
		json_object_set_new(request, "has_map", json_true());
	}
	return request;
}

static int write_request(const struct tl_helper *helper, const struct collect_args *args, int fd,
			 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(REQUEST_MAX);
	tl_json *request = make_request(helper, args);

	if (!request)
		return tl_err_set(err, TL_EINVAL, "the request is no UTF-8 text");
	tl_json_write(&text, request);
	tl_buf_putc(&text, '\n');
	if (tl_buf_check(&text) != 0)
		return tl_err_set(err, TL_ETOOBIG, "the request for a collection is too long");
	return tl_fs_write_all(fd, text.data, text.len, err);
}

/* Pseudonyms need the map; -1 where none are asked for. */
static int open_map(const struct tl_helper *helper, const struct collect_args *args, int *ret_fd,
		    struct tl_err *err)
{
	*ret_fd = -1;
	return is_pseudonymous(args) ? tl_pseudonyms_open(helper->options.state_dir, ret_fd, err)
				     : 0;
}

static int start_collector(struct tl_helper *helper, const struct collect_args *args,
			   const struct tl_ask *ask, struct tl_collection *collection,
			   struct tl_err *err)
{
	static const char *const argv[] = {"towline-collect", NULL};
	static const char *const env[] = {AGENT_PATH, "LC_ALL=C.UTF-8", NULL};
	tl_fd int input_read = -1, input_write = -1, output_write = -1, null_fd = -1;
	tl_fd int map_fd = -1, cgroup_fd = -1;
	int input[2], output[2];
	char path[PATH_MAX];
	int rc = tl_program_path("towline-collect", path, err);

	if (rc != 0)
		return rc;
	if (pipe2(input, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "no pipe can be opened");
	input_read = input[0];
	input_write = input[1];
	if (pipe2(output, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "no pipe can be opened");
	collection->output_fd = output[0];
	output_write = output[1];
	fcntl(output[0], F_SETFL, O_NONBLOCK);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	rc = write_request(helper, args, input_write, err);
	if (rc == 0)
		rc = open_map(helper, args, &map_fd, err);
	if (rc != 0)
		return rc;
	cgroup_fd = tl_cgroup_begin(&helper->cgroup);
	return tl_child_start(
		&(struct tl_child_spec){
			.path = path,
			.argv = argv,
			.env = env,
			.fds = (int[]){input_read, output_write, STDERR_FILENO, ask->message.fds[0],
				       ask->message.fd_count > 1 ? ask->message.fds[1] : null_fd,
				       map_fd},
			.fd_count = map_fd >= 0 ? 6 : 5,
			.cgroup_fd = cgroup_fd > 0 ? cgroup_fd : 0,
			.account = &helper->agent,
			.directory = "/",
			.read_all = true,
			.examine = helper->policy.collect_privileged,
			.umask = 077,
		},
		&collection->pid, err);
}

static void watch(struct tl_collection *collection)
{
	struct tl_helper *helper = collection->helper;

	uv_timer_init(&helper->loop, &collection->timer);
	uv_poll_init(&helper->loop, &collection->output, collection->output_fd);
	collection->timer.data = collection;
	collection->output.data = collection;
	collection->open_handles = 2;
	uv_timer_start(&collection->timer, on_timeout, (uint64_t)helper->policy.collect_timeout_ms,
		       0);
	uv_poll_start(&collection->output, UV_READABLE, on_output);
	helper->collection = collection;
}

int tl_collection_start(struct tl_helper *helper, struct tl_ask *ask, struct tl_err *err)
{
	struct collect_args args = {.profile = NULL};
	struct tl_collection *collection;
	int rc = read_args(ask->args, &args, err);

	if (rc != 0)
		return rc;
	if (helper->collection)
		return tl_err_set(err, TL_EBUSY,
				  "another collection runs: try again when it is done");
	rc = tl_policy_check_collect(&helper->policy, args.profile, args.level,
				     json_array_size(args.recipients), err);
	if (rc == 0)
		rc = tl_policy_check_include(&helper->policy, json_array_size(args.include), err);
	if (rc != 0)
		return rc;
	collection = calloc(1, sizeof(*collection));
	if (!collection)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	collection->output_fd = -1;
	rc = start_collector(helper, &args, ask, collection, err);
	if (rc != 0) {
		if (collection->output_fd >= 0)
			close(collection->output_fd);
		free(collection);
		return rc;
	}
	tl_buf_init(&collection->line, OUTPUT_MAX);
	collection->helper = helper;
	collection->ask = ask;
	watch(collection);
	return 0;
}
