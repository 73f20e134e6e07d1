/* towline-agent collect: a bundle for whoever asks, without relay, daemon and helper. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <towline/clock.h>
#include <towline/fs.h>
#include <towline/id.h>
#include <towline/program.h>

#include "core/offspring.h"
#include "daemon/cmd.h"
#include "daemon/cmd_collect.h"
#include "helper/policy.h"

#define RESULT_MAX (64 * 1024 * 1024)
#define LINE_MAX_BYTES (64 * 1024)
#define CERTIFICATE_MAX (64 * 1024)
#define REQUEST_MAX (512 * 1024)
#define TICK_MS 250

struct collection {
	const struct tl_cli *cli;
	struct collect_view view;
	json_t *request;
	char path[PATH_MAX]; /* "": standard output */
	char dir[PATH_MAX];  /* of path */
	int bundle_fd;
	bool named; /* the file stands under its name before it is whole: no nameless ones here */
	pid_t pid;
	int progress_fd, result_fd;
	struct tl_buf line, result_text;
	json_t *result;
	int64_t started_ms;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number TL_UNUSED)
{
	stopped = 1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(tl_steal_fd(fd));
}

static void end_left_over(void *arg TL_UNUSED, const struct tl_offspring *offspring)
{
	kill(offspring->pid, SIGKILL);
}

static void collection_clear(struct collection *collection)
{
	if (collection->pid > 0) {
		kill(collection->pid, SIGKILL);
		waitpid(collection->pid, NULL, 0);
	}
	tl_offspring_walk(end_left_over, NULL);
	close_fd(&collection->progress_fd);
	close_fd(&collection->result_fd);
	close_fd(&collection->bundle_fd);
	tl_buf_clear(&collection->line);
	tl_buf_clear(&collection->result_text);
	json_decref(collection->request);
	json_decref(collection->result);
}
TL_DEFINE_AUTO(collection, collection_clear);

/* ---- what is asked for ------------------------------------------------------------------------ */

static const char *const text_options[] = {"profile", "since",	"until", "around",
					   "boot",    "ticket", "level"};

/* What a person names must be there: a mistyped --exclude must not send what it was to keep. */
static void set_list(struct collection *collection, const char *option, json_t *named)
{
	json_t *list = json_array();
	const char *value;

	for (size_t i = 0; (value = tl_cli_get_nth(collection->cli, option, i)); i++) {
		json_array_append_new(list, json_string(value));
		if (!strchr(value, '/'))
			json_array_append_new(named, json_string(value));
	}
	json_object_set_new(collection->request, option, list);
}

static int check_level(const struct collection *collection, struct tl_err *err)
{
	static const char *const levels[] = {"secrets", "identities", "off"};
	const char *level = tl_cli_get(collection->cli, "level");

	for (size_t i = 0; i < TL_ARRAY_LEN(levels); i++)
		if (!level || tl_streq(level, levels[i]))
			return 0;
	return tl_err_set(err, TL_EINVAL,
			  "there is no level \"%.16s\": choose secrets, identities or off", level);
}

/* Those of the command, else those of the configuration. */
static int read_recipients(struct collection *collection, const struct tl_agent_config *config,
			   struct tl_err *err)
{
	json_t *list = NULL;
	const char *file;
	int rc = 0;

	if (tl_cli_has(collection->cli, "recipient"))
		list = json_array();
	else
		rc = tl_agent_recipients(config, &list, err);
	if (rc != 0)
		return rc;
	json_object_set_new(collection->request, "recipients", list);
	for (size_t i = 0; rc == 0 && (file = tl_cli_get_nth(collection->cli, "recipient", i));
	     i++) {
		tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(CERTIFICATE_MAX);

		rc = tl_fs_read_file(AT_FDCWD, file, &pem, err);
		if (rc == 0 && (!strstr(tl_buf_str(&pem), "-----BEGIN CERTIFICATE-----") ||
				json_array_append_new(list, json_string(tl_buf_str(&pem))) < 0))
			rc = tl_err_set(err, TL_EINVAL, "%s holds no certificate in PEM", file);
	}
	return rc;
}

/* What the machine's owner forbids holds for everybody who collects on it. */
static int apply_policy(struct collection *collection, struct tl_err *err)
{
	tl_auto(tl_policy) struct tl_policy policy = {.scopes = 0};
	json_t *request = collection->request;
	int rc = tl_policy_load(NULL, &policy, err);

	if (rc == 0)
		rc = tl_policy_check_collect(
			&policy, json_string_value(json_object_get(request, "profile")),
			json_string_value(json_object_get(request, "level")),
			json_array_size(json_object_get(request, "recipients")), err);
	if (rc == 0)
		rc = tl_policy_check_include(&policy,
					     json_array_size(json_object_get(request, "include")),
					     err);
	if (rc == 0)
		tl_policy_add_excludes(&policy, json_object_get(request, "exclude"));
	return rc;
}

/* Nothing hidden: policy allowed it, and now a person must want it. */
static int confirm_off(const struct collection *collection, struct tl_err *err)
{
	const char *level = tl_cli_get(collection->cli, "level");

	if (!tl_streq(level, "off") || tl_cli_has(collection->cli, "dry-run") ||
	    tl_cli_has(collection->cli, "yes"))
		return 0;
	if (isatty(STDIN_FILENO) && !collection->view.json &&
	    tl_cmd_confirm("Passwords, keys and names stay in this bundle as they are. Make it? "
			   "[y/N] "))
		return 0;
	return tl_err_set(err, TL_ECANCELED,
			  "a bundle from which nothing is removed needs a yes (--yes)");
}

static int make_request(struct collection *collection, const struct tl_agent_config *config,
			struct tl_err *err)
{
	json_t *named;
	int rc;

	collection->request =
		json_pack("{s:s, s:s, s:s, s:s}", "summary", "collected by hand", "profile",
			  config->profile, "agent_version", TOWLINE_VERSION, "level", "secrets");
	for (size_t i = 0; i < TL_ARRAY_LEN(text_options); i++) {
		const char *value = tl_cli_get(collection->cli, text_options[i]);

		if (value && json_object_set_new(collection->request, text_options[i],
						 json_string(value)) < 0)
			return tl_err_set(err, TL_EUSAGE, "--%s is no UTF-8 text", text_options[i]);
	}
	if (tl_cli_has(collection->cli, "dry-run"))
		json_object_set_new(collection->request, "dry_run", json_true());
	named = json_array();
	set_list(collection, "exclude", named);
	set_list(collection, "include", named);
	json_object_set_new(collection->request, "named", named);
	rc = check_level(collection, err);
	return rc == 0 ? read_recipients(collection, config, err) : rc;
}

/* ---- the file --------------------------------------------------------------------------------- */

static void choose_path(struct collection *collection)
{
	const char *output = tl_cli_get(collection->cli, "output");
	bool sealed = json_array_size(json_object_get(collection->request, "recipients")) > 0;
	char *slash;

	if (tl_streq(output, "-"))
		return;
	if (output)
		snprintf(collection->path, sizeof(collection->path), "%s", output);
	else
		snprintf(collection->path, sizeof(collection->path), "towline-%s.tar.zst%s",
			 tl_id_new(tl_clock_system()).text, sealed ? ".p7m" : "");
	snprintf(collection->dir, sizeof(collection->dir), "%s", collection->path);
	slash = strrchr(collection->dir, '/');
	if (!slash)
		snprintf(collection->dir, sizeof(collection->dir), ".");
	else if (slash == collection->dir)
		slash[1] = '\0';
	else
		*slash = '\0';
}

/* Nameless until it is whole: whatever ends this program, no half bundle stays. */
static int open_bundle(struct collection *collection, struct tl_err *err)
{
	struct stat status;

	choose_path(collection);
	if (!collection->path[0]) {
		if (isatty(STDOUT_FILENO))
			return tl_err_set(err, TL_EUSAGE,
					  "a bundle is no text: give --output a file, or pipe it");
		collection->bundle_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		collection->view.out = stderr;
		collection->view.terminal = isatty(STDERR_FILENO);
		return 0;
	}
	if (lstat(collection->path, &status) == 0)
		return tl_err_sys(err, TL_EEXIST, EEXIST, "%s cannot be made", collection->path);
	collection->bundle_fd = open(collection->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (collection->bundle_fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		collection->bundle_fd =
			open(collection->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		collection->named = collection->bundle_fd >= 0;
	}
	return collection->bundle_fd < 0
		       ? tl_err_sys(err, TL_EIO, errno, "%s cannot be made", collection->path)
		       : 0;
}

static int keep_bundle(struct collection *collection, struct tl_err *err)
{
	char own[64];

	if (!collection->path[0])
		return 0;
	if (fsync(collection->bundle_fd) < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be written", collection->path);
	snprintf(own, sizeof(own), "/proc/self/fd/%d", collection->bundle_fd);
	if (!collection->named &&
	    linkat(AT_FDCWD, own, AT_FDCWD, collection->path, AT_SYMLINK_FOLLOW) < 0)
		return tl_err_sys(err, errno == EEXIST ? TL_EEXIST : TL_EIO, errno,
				  "%s cannot be made", collection->path);
	return 0;
}

/* ---- the collector ---------------------------------------------------------------------------- */

static int start(struct collection *collection, struct tl_err *err)
{
	static const char *const argv[] = {"towline-collect", NULL};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(REQUEST_MAX);
	tl_fd int request_fd = -1, result_fd = -1, progress_fd = -1;
	char path[PATH_MAX];
	int result[2], progress[2], rc;

	tl_json_write(&text, collection->request);
	if (tl_buf_check(&text) != 0)
		return tl_err_set(err, TL_ETOOBIG, "too much is asked for at once");
	request_fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (request_fd < 0)
		request_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (request_fd < 0 || pipe2(result, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "the collector cannot be started");
	collection->result_fd = result[0];
	result_fd = result[1];
	if (pipe2(progress, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "the collector cannot be started");
	collection->progress_fd = progress[0];
	progress_fd = progress[1];
	rc = tl_fs_write_all(request_fd, text.data, text.len, err);
	if (rc == 0 && lseek(request_fd, 0, SEEK_SET) != 0)
		rc = tl_err_sys(err, TL_EIO, errno, "the collector cannot be started");
	if (rc == 0)
		rc = tl_program_path("towline-collect", path, err);
	if (rc != 0)
		return rc;
	/* its sentence comes with its result */
	return tl_program_start(
		&(struct tl_program_start){
			.path = path,
			.argv = argv,
			.fds = (int[]){request_fd, result_fd, -1, collection->bundle_fd,
				       progress_fd},
			.fd_count = 5,
		},
		&collection->pid, err);
}

static void take_lines(struct collection *collection)
{
	char *end;

	while (collection->line.len > 0 &&
	       (end = memchr(collection->line.data, '\n', collection->line.len))) {
		size_t len = (size_t)(end - collection->line.data);
		tl_json *progress = NULL;

		if (tl_json_parse(collection->line.data, len, &progress, NULL) == 0)
			collect_view_progress(&collection->view, progress);
		tl_buf_consume(&collection->line, len + 1);
	}
}

/* Reads some; closes at the end. */
static void take(int *fd, struct tl_buf *into)
{
	char bytes[16384];
	ssize_t got = read(*fd, bytes, sizeof(bytes));

	if (got > 0)
		tl_buf_append(into, bytes, (size_t)got);
	else if (got == 0 || errno != EINTR)
		close_fd(fd);
}

static int wait_for_end(struct collection *collection, struct tl_err *err)
{
	bool told = false;
	int status;

	while (collection->result_fd >= 0 || collection->progress_fd >= 0) {
		struct pollfd polled[] = {{.fd = collection->progress_fd, .events = POLLIN},
					  {.fd = collection->result_fd, .events = POLLIN}};

		if (stopped && !told) {
			kill(collection->pid, SIGTERM);
			told = true;
		}
		if (poll(polled, TL_ARRAY_LEN(polled), TICK_MS) <= 0)
			continue;
		if (polled[0].revents)
			take(&collection->progress_fd, &collection->line);
		if (polled[1].revents)
			take(&collection->result_fd, &collection->result_text);
		take_lines(collection);
	}
	while (waitpid(collection->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	collection->pid = 0;
	if (stopped)
		return tl_err_set(err, TL_ECANCELED, "interrupted: no bundle was made");
	return WIFSIGNALED(status) ? tl_err_set(err, TL_EIO,
						"the collector was ended by signal %d: no bundle "
						"was made",
						WTERMSIG(status))
				   : 0;
}

static int read_result(struct collection *collection, struct tl_err *err)
{
	const struct tl_buf *text = &collection->result_text;
	const char *code, *why;

	if (tl_buf_check(text) != 0 || text->len == 0 ||
	    tl_json_parse(text->data, text->len, &collection->result, NULL) != 0)
		return tl_err_set(err, TL_EIO, "the collector made no bundle and gives no reason");
	code = json_string_value(json_object_get(collection->result, "code"));
	why = json_string_value(json_object_get(collection->result, "text"));
	if (!code)
		return 0;
	return tl_err_set(err, tl_err_by_name(code) ? tl_err_by_name(code) : TL_EIO, "%s",
			  why ? why : "the collector made no bundle");
}

static int run(struct collection *collection, struct tl_err *err)
{
	struct sigaction action = {.sa_handler = on_signal};
	bool dry = tl_cli_has(collection->cli, "dry-run");
	int rc = 0;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	/* what a killed collector leaves behind comes to us, and ends with us */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (dry)
		collection->bundle_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	else
		rc = open_bundle(collection, err);
	if (rc == 0)
		rc = start(collection, err);
	if (rc == 0)
		rc = wait_for_end(collection, err);
	if (rc == 0)
		rc = read_result(collection, err);
	if (rc == 0 && !dry)
		rc = keep_bundle(collection, err);
	if (rc != 0) {
		collect_view_clear(&collection->view);
		if (collection->named)
			unlink(collection->path);
		return rc;
	}
	if (dry)
		collect_view_plan(&collection->view, collection->result);
	else
		collect_view_result(&collection->view, collection->result,
				    collection->path[0] ? collection->path : NULL,
				    tl_clock_mono_ms(tl_clock_system()) - collection->started_ms);
	return 0;
}

int tl_cmd_collect(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_agent_config) struct tl_agent_config config = {.profile = NULL};
	tl_auto(collection) struct collection collection = {
		.cli = cli,
		.view = {.out = stdout,
			 .json = tl_cli_has(cli, "json"),
			 .terminal = isatty(STDOUT_FILENO)},
		.bundle_fd = -1,
		.progress_fd = -1,
		.result_fd = -1,
		.line = TL_BUF_INIT(LINE_MAX_BYTES),
		.result_text = TL_BUF_INIT(RESULT_MAX),
		.started_ms = tl_clock_mono_ms(tl_clock_system()),
	};
	int rc = tl_cmd_config(cli, &config, err);

	if (rc == 0)
		rc = make_request(&collection, &config, err);
	if (rc == 0)
		rc = apply_policy(&collection, err);
	if (rc == 0)
		rc = confirm_off(&collection, err);
	return rc == 0 ? run(&collection, err) : rc;
}
