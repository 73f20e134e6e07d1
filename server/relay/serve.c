/* towline-relay serve: starts HTTPS and the SSH front door, says so, and waits for signals. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <towline/fs.h>
#include <towline/json.h>
#include <towline/log.h>

#include "relay/chores.h"
#include "ssh/front.h"

struct sockets {
	int https, ssh; /* handed over by systemd, or -1 */
};

static int open_worker(void *user, void **ret_worker, struct tl_err *err)
{
	const struct tl_desk *desk = user;
	struct tl_store *store = NULL;
	int r = tl_store_open(desk->store_url, &store, err);

	if (r == 0)
		*ret_worker = store;
	return r;
}

static void close_worker(void *worker)
{
	tl_store_close(worker);
}

/* The socket unit names them "https" and "ssh"; one without a name is HTTPS. */
static struct sockets take_sockets(void)
{
	struct sockets taken = {-1, -1};
	char **names = NULL;
	int i, count = sd_listen_fds_with_names(1, &names);

	for (i = 0; i < count; i++) {
		if (tl_streq(names[i], "ssh"))
			taken.ssh = SD_LISTEN_FDS_START + i;
		else
			taken.https = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	return taken;
}

static int start_http(struct tl_relay *relay, int listen_fd, struct tl_http **ret_http,
		      struct tl_err *err)
{
	const struct tl_relay_config *config = &relay->config;
	struct tl_http_config http;

	tl_http_config_init(&http);
	http.listen = config->listen;
	http.listen_fd = listen_fd;
	http.certificate_file = config->certificate;
	http.key_file = config->certificate_key;
	http.loops = (unsigned)config->loops;
	http.workers = (unsigned)config->workers;
	http.max_connections = (unsigned)config->connections;
	http.trusted_proxies = (const char *const *)config->trusted_proxies.items;
	http.routes = tl_desk_routes(&http.route_count);
	http.authenticate = tl_desk_authenticate;
	http.worker_open = open_worker;
	http.worker_close = close_worker;
	http.user = &relay->desk;
	return tl_http_start(&http, ret_http, err);
}

/* run.json tells scripts the ports that were free. The relay runs without it where the directory is
 * read-only. */
static void write_run_file(const struct tl_relay *relay, unsigned https_port)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1024);
	struct tl_err err = TL_ERR_INIT;
	char path[4096];

	tl_buf_printf(&text, "{\"https_port\":%u,\"ssh_port\":%u,\"pid\":%d}\n", https_port,
		      relay->desk.ssh_port, (int)getpid());
	snprintf(path, sizeof path, "%s/run.json", relay->config.dir);
	if (tl_fs_write_file(AT_FDCWD, path, 0644, tl_buf_str(&text), text.len, &err))
		tl_log_warning("run.json was not written", TL_ERR(&err));
}

static void block_signals(sigset_t *ret_signals)
{
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGTERM);
	sigaddset(ret_signals, SIGINT);
	sigaddset(ret_signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void reload(struct tl_http *http)
{
	struct tl_err err = TL_ERR_INIT;

	if (tl_http_reload(http, &err))
		tl_log_error("the certificate was not read again", TL_ERR(&err));
	else
		tl_log_info("certificate read again");
}

/* Until SIGTERM or SIGINT; SIGHUP reads the certificate again. */
static void wait_for_end(struct tl_relay *relay, struct tl_http *http, const sigset_t *signals)
{
	const struct timespec wait = {.tv_sec = TL_CHORES_EVERY_MS / 1000};
	struct tl_chores chores = {.relay = relay};
	int number;

	while ((number = sigtimedwait(signals, NULL, &wait)) == SIGHUP || number < 0) {
		if (number == SIGHUP)
			reload(http);
		else if (errno == EAGAIN)
			tl_chores_run(&chores);
	}
	tl_chores_clear(&chores);
}

/* An agent holds a connection: the soft limit of 1,024 files is for programs that use select(). */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Two relays in one directory would share run.json, blobs and sessions. The lock is on the directory
 * itself, which may be read-only, and ends with the process. */
static int lock_directory(const char *dir, int *ret_fd, struct tl_err *err)
{
	tl_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? tl_err_set(err, TL_EBUSY, "another relay serves %s already", dir)
			       : tl_err_sys(err, TL_EIO, errno, "cannot lock %s", dir);
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

static int prepare(struct tl_relay *relay, struct tl_err *err)
{
	tl_auto(tl_store) struct tl_store *store = NULL;
	int r;

	if ((r = tl_relay_open_desk(relay, err)) ||
	    (r = tl_store_open(relay->config.store, &store, err)) ||
	    (r = tl_store_migrate(store, err)))
		return r;
	return tl_desk_recover(&relay->desk, store, err);
}

static int start_front(struct tl_relay *relay, int listen_fd, struct tl_ssh_front **ret_front,
		       struct tl_err *err)
{
	const struct tl_relay_config *config = &relay->config;
	const struct tl_ssh_front_config front = {
		.listen = config->ssh_listen,
		.listen_fd = listen_fd,
		.host_key_file = config->ssh_host_key,
		.limits = {.connections = (unsigned)config->ssh_connections,
			   .waiting = (unsigned)config->ssh_waiting,
			   .waiting_per_network = (unsigned)config->ssh_waiting_per_network,
			   .grace_ms = config->ssh_login_grace_ms},
	};
	int r = tl_ssh_front_start(&relay->desk, &front, ret_front, err);

	if (r == 0)
		relay->desk.ssh_port = tl_ssh_front_port(*ret_front);
	return r;
}

static void say_ready(const struct tl_relay *relay, unsigned https_port)
{
	write_run_file(relay, https_port);
	tl_log_info("relay is ready", TL_I("https_port", https_port),
		    TL_I("ssh_port", relay->desk.ssh_port), TL_S("version", TOWLINE_VERSION));
	sd_notifyf(0, "READY=1\nSTATUS=Serving HTTPS on port %u and SSH on port %u", https_port,
		   relay->desk.ssh_port);
}

static int run(struct tl_relay *relay, const sigset_t *signals, struct tl_err *err)
{
	struct sockets sockets = take_sockets();
	struct tl_ssh_front *front = NULL;
	struct tl_http *http = NULL;
	int r = start_http(relay, sockets.https, &http, err);

	if (r)
		return r;
	relay->desk.http = http;
	r = start_front(relay, sockets.ssh, &front, err);
	if (r == 0) {
		say_ready(relay, tl_http_port(http));
		wait_for_end(relay, http, signals);
		sd_notify(0, "STOPPING=1");
		tl_log_info("relay stops");
	}
	tl_ssh_front_stop(front, relay->config.drain_ms);
	tl_http_stop(http, relay->config.drain_ms);
	relay->desk.http = NULL;
	tl_http_free(http);
	return r;
}

int tl_relay_serve(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_fd int lock = -1;
	sigset_t signals;
	int r;

	if (tl_cli_has(cli, "check-config"))
		return tl_relay_check_config(cli, err);
	block_signals(&signals); /* before threads: they inherit it */
	umask(077);
	raise_file_limit();
	if ((r = tl_relay_open(cli, &relay, err)) ||
	    (r = lock_directory(relay.config.dir, &lock, err)) || (r = prepare(&relay, err)))
		return r;
	return run(&relay, &signals, err);
}
