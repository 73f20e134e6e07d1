#include "daemon/agent.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/log.h>
#include <towline/str.h>

#include "daemon/help.h"
#include "daemon/limits.h"
#include "daemon/roster.h"
#include "daemon/session_company.h"
#include "daemon/sessions.h"

#define HEARTBEAT_TIMEOUT_MS 30000

static void request_stop(struct tl_agent *agent)
{
	uv_async_send(&agent->stop);
}

/* ---- what the relay sends --------------------------------------------------------------------- */

static void on_stream_event(void *arg, const char *event, const json_t *data)
{
	struct tl_agent *agent = arg;
	const char *session = json_string_value(json_object_get(data, "session"));
	const char *grant = json_string_value(json_object_get(data, "grant"));
	const char *reason = json_string_value(json_object_get(data, "reason"));

	if (tl_streq(event, "roster"))
		tl_agent_roster_fetch(agent);
	else if (!session || !tl_id_is_valid(session))
		tl_log_warning("the relay sent an event without a session", TL_S("event", event));
	else if (tl_streq(event, "grant") && grant)
		tl_agent_session_granted(agent, session, grant);
	else if (tl_streq(event, "stop"))
		tl_agent_session_stop(agent, session, reason ? reason : "the relay stopped it");
	else if (!tl_session_company_event(agent, event, data))
		tl_log_warning("the relay sent an event that is not known here",
			       TL_S("event", event));
}

static void on_heartbeat_answer(void *arg, const struct tl_reply *reply)
{
	(void)arg;
	if (reply->err.code)
		tl_log_warning("the heartbeat was not taken", TL_ERR(&reply->err));
}

/* Of a heartbeat with a snapshot. */
static void on_health_answer(void *arg, const struct tl_reply *reply)
{
	struct tl_agent *agent = arg;
	const char *wish = json_string_value(json_object_get(reply->json, "health"));
	enum tl_agent_health_answer answer = TL_HEALTH_TAKEN;

	if (reply->status == 400 || reply->status == 413 || reply->status == 422)
		answer = TL_HEALTH_REFUSED;
	else if (reply->err.code || tl_streq(wish, "full"))
		answer = TL_HEALTH_LOST;
	on_heartbeat_answer(arg, reply);
	tl_agent_health_answered(&agent->health, answer);
}

static json_t *heartbeat_json(const struct tl_agent *agent)
{
	int64_t items;
	uint64_t bytes;

	tl_queue_load(agent->queue, &items, &bytes);
	return json_pack("{s:s, s:I, s:{s:I, s:I}, s:I}", "agent_version", TOWLINE_VERSION,
			 "uptime_s",
			 (json_int_t)((tl_clock_mono_ms(agent->clock) - agent->started_mono_ms) /
				      1000),
			 "queue", "items", (json_int_t)items, "bytes", (json_int_t)bytes,
			 "clock_offset_ms", (json_int_t)tl_relay_offset_ms(agent->relay));
}

/* `health` may be NULL. */
static void send_heartbeat(struct tl_agent *agent, const json_t *health)
{
	tl_json *body = heartbeat_json(agent);
	bool is_sent;

	if (health)
		json_object_set(body, "health", (json_t *)(uintptr_t)health);
	is_sent = tl_relay_call(agent->relay,
				&(struct tl_call_spec){.method = "POST",
						       .path = "/v1/agent/heartbeat",
						       .json = body,
						       .timeout_ms = HEARTBEAT_TIMEOUT_MS,
						       .on_done = health ? on_health_answer
									 : on_heartbeat_answer,
						       .arg = agent});
	if (!is_sent)
		tl_log_error("out of memory");
	if (!is_sent && health)
		tl_agent_health_answered(&agent->health, TL_HEALTH_LOST);
}

static void on_health_taken(void *arg, const json_t *health)
{
	struct tl_agent *agent = arg;

	if (tl_stream_is_open(agent->stream))
		send_heartbeat(agent, health);
	else if (health)
		tl_agent_health_answered(&agent->health, TL_HEALTH_LOST);
	malloc_trim(0);
}

/* What towline-health cannot know by itself. */
static json_t *health_facts(const struct tl_agent *agent)
{
	char name[TL_RELAY_HOST_MAX];
	int64_t items;
	uint64_t bytes;

	tl_identity_relay_host(&agent->identity, name);
	tl_queue_load(agent->queue, &items, &bytes);
	return json_pack("{s:s, s:s, s:I, s:I}", "relay_host", name, "ca_file", agent->ca_file,
			 "clock_offset_ms", (json_int_t)tl_relay_offset_ms(agent->relay),
			 "queue_items", (json_int_t)items);
}

static void on_heartbeat(uv_timer_t *timer)
{
	struct tl_agent *agent = timer->data;
	tl_json *facts = NULL;
	uint32_t random;

	if (!tl_stream_is_open(agent->stream))
		return;
	tl_agent_roster_retry(agent);
	/* A tenth earlier or later, so that many agents do not stay in step. */
	tl_random(&random, sizeof(random));
	uv_timer_start(timer, on_heartbeat,
		       (uint64_t)(agent->heartbeat_ms * 9 / 10 +
				  random % (agent->heartbeat_ms / 5 + 1)),
		       0);
	if (tl_agent_health_is_due(&agent->health)) {
		facts = health_facts(agent);
		if (tl_agent_health_take(&agent->health, facts))
			return; /* it goes with the heartbeat, very soon */
	}
	send_heartbeat(agent, NULL);
}

static void on_stream_open(void *arg, int64_t heartbeat_ms)
{
	struct tl_agent *agent = arg;

	agent->heartbeat_ms = heartbeat_ms;
	tl_agent_health_forget(&agent->health);
	tl_agent_roster_fetch(agent);
	uv_timer_start(&agent->heartbeat, on_heartbeat, 0, 0);
	tl_delivery_reachable(agent->delivery);
}

static void on_superseded(void *arg)
{
	struct tl_agent *agent = arg;

	tl_err_set(&agent->end, TL_EDENIED,
		   "another agent with this machine's identity has connected later: this one ends; "
		   "if the machine was cloned, enrol the clone anew");
	request_stop(agent);
}

/* ---- what the helper sends -------------------------------------------------------------------- */

static void on_helper_event(void *arg, const char *event, const json_t *args)
{
	const char *session = json_string_value(json_object_get(args, "session"));
	const char *reason = json_string_value(json_object_get(args, "reason"));

	if (tl_streq(event, "ended") && session)
		tl_agent_session_stop(arg, session, reason ? reason : "the helper ended it");
	else if (tl_streq(event, "company"))
		tl_session_company_report(arg, args);
}

static void on_helper_lost(void *arg)
{
	tl_agent_sessions_orphaned(arg);
}

/* ---- life ------------------------------------------------------------------------------------- */

static int open_dir_below(int state_fd, const char *name, int *ret_fd, struct tl_err *err)
{
	if (mkdirat(state_fd, name, 0700) != 0 && errno != EEXIST)
		return tl_err_sys(err, TL_EIO, errno, "the directory %s cannot be made", name);
	return tl_fs_open_at(state_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, ret_fd, err);
}

static int open_state(struct tl_agent *agent, struct tl_err *err)
{
	const char *dir = agent->config.state_dir;
	int rc = tl_fs_make_dir(dir, 0700, &agent->state_fd, err);

	if (rc == 0)
		rc = tl_identity_load(agent->state_fd, &agent->identity, err);
	if (rc == 0)
		rc = tl_fs_lock(agent->state_fd, "lock", &agent->lock_fd, err);
	if (rc == TL_EBUSY)
		return tl_err_set(err, TL_EBUSY, "another agent runs on %s", dir);
	if (rc == 0)
		rc = tl_key_load(agent->state_fd, TL_IDENTITY_KEY_FILE, &agent->key, err);
	if (rc == 0)
		rc = open_dir_below(agent->state_fd, "bundles", &agent->bundles_fd, err);
	if (rc == 0)
		rc = tl_queue_open(agent->state_fd,
				   &(struct tl_queue_limits){.max_items =
								     agent->config.queue_max_items,
							     .max_bytes =
								     agent->config.queue_max_bytes},
				   &agent->queue, err);
	if (rc != 0)
		return rc;
	agent->identity_json = tl_identity_json(&agent->identity);
	snprintf(agent->ca_file, sizeof(agent->ca_file), "%s/" TL_IDENTITY_CA_FILE, dir);
	if (tl_queue_damaged(agent->queue) > 0)
		tl_log_error("requests in the queue were damaged and set aside",
			     TL_I("count", tl_queue_damaged(agent->queue)));
	tl_limits_recall(agent);
	tl_help_sweep(agent);
	return 0;
}

static void on_named(void *arg, const json_t *result, const struct tl_err *err)
{
	const struct tl_agent *agent = arg;

	if (err)
		tl_log_warning("no receipt with the ticket", TL_ERR(err));
	tl_delivery_named(agent->delivery, json_string_value(json_object_get(result, "consent")));
}

/* Only the helper can sign what a person decided. */
static void name_ticket(void *arg, struct tl_delivery *delivery, const char *consent,
			const char *ticket)
{
	struct tl_agent *agent = arg;

	(void)delivery;
	tl_link_call(agent->link, "consent.ticket",
		     json_pack("{s:s, s:s}", "consent", consent, "ticket", ticket), NULL, 0,
		     on_named, agent);
}

static int open_relay(struct tl_agent *agent, struct tl_err *err)
{
	int rc = tl_relay_new(&(struct tl_relay_options){.loop = &agent->loop,
							 .identity = &agent->identity,
							 .key = agent->key,
							 .ca_file = agent->ca_file,
							 .proxy = agent->config.proxy,
							 .clock = agent->clock},
			      &agent->relay, err);

	if (rc == 0)
		rc = tl_delivery_new(
			&(struct tl_delivery_options){.loop = &agent->loop,
						      .relay = agent->relay,
						      .queue = agent->queue,
						      .chunk_bytes =
							      (int64_t)agent->config.chunk_bytes,
						      .name_ticket = name_ticket,
						      .arg = agent,
						      .bundles_fd = agent->bundles_fd},
			&agent->delivery, err);
	if (rc == 0)
		rc = tl_stream_new(&(struct tl_stream_options){.loop = &agent->loop,
							       .relay = agent->relay,
							       .generation = tl_clock_wall_ms(
								       agent->clock),
							       .on_event = on_stream_event,
							       .on_open = on_stream_open,
							       .on_superseded = on_superseded,
							       .arg = agent},
				   &agent->stream, err);
	return rc;
}

static int open_local(struct tl_agent *agent, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf helper = TL_BUF_INIT(4096);
	tl_auto(tl_buf) struct tl_buf door = TL_BUF_INIT(4096);
	tl_fd int dir_fd = -1;
	int rc = tl_agent_socket_path(agent->config.helper_dir, "helper.sock", &helper, err);

	if (rc == 0)
		rc = tl_agent_socket_path(agent->config.run_dir, "agent.sock", &door, err);
	if (rc == 0)
		rc = tl_fs_make_dir(agent->config.run_dir, 0755, &dir_fd, err);
	if (rc != 0)
		return rc;
	snprintf(agent->helper_socket, sizeof(agent->helper_socket), "%s", tl_buf_str(&helper));
	rc = tl_link_new(&(struct tl_link_options){.loop = &agent->loop,
						   .path = agent->helper_socket,
						   .identity = agent->identity_json,
						   .on_event = on_helper_event,
						   .on_lost = on_helper_lost,
						   .arg = agent},
			 &agent->link, err);
	if (rc == 0)
		rc = tl_service_new(&(struct tl_service_options){.loop = &agent->loop,
								 .path = tl_buf_str(&door),
								 .mode = 0666,
								 .door = 1,
								 .verbs = tl_agent_verbs,
								 .verb_count = tl_agent_verb_count,
								 .app = agent},
				    &agent->door, err);
	return rc;
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void close_all(struct tl_agent *agent)
{
	if (agent->stopping)
		return;
	agent->stopping = true;
	sd_notify(0, "STOPPING=1");
	tl_agent_sessions_close(agent);
	tl_agent_health_close(&agent->health);
	tl_help_close_all(agent);
	tl_service_close(tl_steal(&agent->door));
	tl_link_close(tl_steal(&agent->link));
	tl_agent_roster_close(agent);
	tl_stream_close(tl_steal(&agent->stream));
	tl_delivery_close(tl_steal(&agent->delivery));
	tl_relay_close(tl_steal(&agent->relay));
	close_handle((uv_handle_t *)&agent->heartbeat);
	close_handle((uv_handle_t *)&agent->stop);
	for (size_t i = 0; i < TL_ARRAY_LEN(agent->signals); i++)
		close_handle((uv_handle_t *)&agent->signals[i]);
}

static void on_stop(uv_async_t *async)
{
	close_all(async->data);
}

static void on_signal(uv_signal_t *watch, int number)
{
	struct tl_agent *agent = watch->data;

	if (number != SIGCHLD) {
		request_stop(agent);
		return;
	}
	tl_agent_sessions_reap(agent);
	tl_agent_health_reap(&agent->health);
}

static void init_loop(struct tl_agent *agent)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGCHLD};

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&agent->loop);
	uv_async_init(&agent->loop, &agent->stop, on_stop);
	agent->stop.data = agent;
	uv_timer_init(&agent->loop, &agent->heartbeat);
	agent->heartbeat.data = agent;
	tl_agent_health_init(
		&agent->health,
		&(struct tl_agent_health_options){.loop = &agent->loop,
						  .clock = agent->clock,
						  .interval_ms = agent->config.health_interval_ms,
						  .on_taken = on_health_taken,
						  .arg = agent});
	for (size_t i = 0; i < TL_ARRAY_LEN(numbers); i++) {
		uv_signal_init(&agent->loop, &agent->signals[i]);
		agent->signals[i].data = agent;
		uv_signal_start(&agent->signals[i], on_signal, numbers[i]);
	}
}

int tl_agent_new(struct tl_agent_config *config, struct tl_agent **ret_agent, struct tl_err *err)
{
	tl_auto(tl_agent) struct tl_agent *agent = calloc(1, sizeof(*agent));
	int rc;

	if (!agent)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	/* One arena, and what is freed goes back: an agent idles for months. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	agent->config = *config;
	*config = (struct tl_agent_config){.profile = NULL};
	agent->clock = tl_clock_system();
	agent->bundle_room = -1;
	agent->started_mono_ms = tl_clock_mono_ms(agent->clock);
	agent->state_fd = agent->lock_fd = agent->bundles_fd = -1;
	init_loop(agent);
	rc = open_state(agent, err);
	if (rc == 0)
		rc = open_local(agent, err);
	if (rc == 0)
		rc = open_relay(agent, err);
	if (rc == 0)
		*ret_agent = tl_steal(&agent);
	return rc;
}

int tl_agent_run(struct tl_agent *agent, struct tl_err *err)
{
	tl_log_info("ready", TL_S("relay", agent->identity.url),
		    TL_S("host_id", agent->identity.host_id));
	sd_notify(0, "READY=1");
	malloc_trim(0);
	uv_run(&agent->loop, UV_RUN_DEFAULT);
	if (!agent->end.code)
		return 0;
	return tl_err_set(err, agent->end.code, "%s", agent->end.text);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void tl_agent_free(struct tl_agent *agent)
{
	if (!agent)
		return;
	close_all(agent);
	uv_run(&agent->loop, UV_RUN_DEFAULT);
	uv_loop_close(&agent->loop);
	tl_queue_free(agent->queue);
	tl_key_free(agent->key);
	json_decref(agent->identity_json);
	tl_agent_config_clear(&agent->config);
	close_fd(agent->bundles_fd);
	close_fd(agent->lock_fd);
	close_fd(agent->state_fd);
	curl_global_cleanup();
	free(agent);
}
