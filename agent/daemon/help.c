#include "daemon/help.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/log.h>

#include "daemon/limits.h"

#define LIMITS_TIMEOUT_MS 3000 /* a person waits: then what was last known counts */

enum help_state { HELP_ASKING_LIMITS, HELP_COLLECTING, HELP_READY, HELP_ASKING_RECEIPT };

struct tl_help {
	struct tl_help *next;
	struct tl_agent *agent;
	enum help_state state;
	struct tl_id id;
	uid_t uid;
	char summary[TL_ITEM_SUMMARY_MAX + 1];
	json_t *request; /* of collect.run */
	json_t *bundle;	 /* the collector's result */
	struct tl_ask *ask;
	struct tl_call *call; /* for the relay's limits */
	uv_timer_t timer;     /* until it is thrown away */
};

static void on_timer_closed(uv_handle_t *handle)
{
	struct tl_help *help = handle->data;

	json_decref(help->request);
	json_decref(help->bundle);
	free(help);
}

static void help_close(struct tl_help *help)
{
	struct tl_help **link = &help->agent->helps;

	while (*link != help)
		link = &(*link)->next;
	*link = help->next;
	tl_link_cancel(help->agent->link, help);
	tl_call_cancel(tl_steal(&help->call));
	if (help->ask)
		tl_ask_fail(tl_steal(&help->ask), TL_ECANCELED, "the agent ends");
	uv_close((uv_handle_t *)&help->timer, on_timer_closed);
}

static void help_discard(struct tl_help *help)
{
	char name[64];

	tl_bundle_file_name(help->id.text, name);
	if (unlinkat(help->agent->bundles_fd, name, 0) != 0)
		tl_log_warning("a bundle cannot be removed", TL_S("help_id", help->id.text));
	help_close(help);
}

static void on_life_over(uv_timer_t *timer)
{
	help_discard(timer->data);
}

static struct tl_help *find(struct tl_agent *agent, const char *help_id)
{
	struct tl_help *help = agent->helps;

	while (help && !tl_streq(help->id.text, help_id))
		help = help->next;
	return help;
}

static int open_spool(struct tl_agent *agent, const struct tl_id *id, int *ret_fd,
		      struct tl_err *err)
{
	char name[64];

	tl_bundle_file_name(id->text, name);
	return tl_fs_open_at(agent->bundles_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600,
			     ret_fd, err);
}

static bool is_bundle(const json_t *result)
{
	const char *id = json_string_value(json_object_get(result, "bundle"));
	const char *sha256 = json_string_value(json_object_get(result, "sha256"));
	const char *index = json_string_value(json_object_get(result, "index_sha256"));

	return id && tl_id_is_valid(id) && sha256 && strlen(sha256) == 64 && index &&
	       strlen(index) == 64 && json_integer_value(json_object_get(result, "size")) > 0;
}

/* The helper is trusted with what the bundle holds, not with what the file system says of it. */
static int check_bundle(const struct tl_help *help, const json_t *result, struct tl_err *err)
{
	struct stat st;
	char name[64];

	tl_bundle_file_name(help->id.text, name);
	if (!is_bundle(result) || fstatat(help->agent->bundles_fd, name, &st, 0) != 0 ||
	    st.st_size != json_integer_value(json_object_get(result, "size")))
		return tl_err_set(err, TL_EPROTO, "the collector's result does not fit its bundle");
	return tl_queue_admits(help->agent->queue, help->uid, (uint64_t)st.st_size, err);
}

static void on_collected(void *arg, const json_t *result, const struct tl_err *failure)
{
	struct tl_help *help = arg;
	struct tl_ask *ask = tl_steal(&help->ask);
	struct tl_err err = TL_ERR_INIT;

	if (failure)
		err = *failure;
	else if (check_bundle(help, result, &err) == 0 && !ask->conn)
		tl_err_set(&err, TL_ECANCELED, "nobody waits for it any more");
	if (err.code) {
		tl_ask_fail(ask, err.code, tl_err_text(&err));
		help_discard(help);
		return;
	}
	help->state = HELP_READY;
	help->bundle = json_deep_copy(result);
	uv_timer_start(&help->timer, on_life_over, TL_HELP_LIFE_MS, 0);
	tl_ask_reply(ask, json_pack("{s:s, s:O}", "help_id", help->id.text, "bundle", help->bundle),
		     NULL, 0);
}

/* One user's requests do not take every place. */
static int check_places(const struct tl_agent *agent, uid_t uid, struct tl_err *err)
{
	unsigned all = 0, own = 0;

	for (const struct tl_help *help = agent->helps; help; help = help->next) {
		all++;
		own += help->uid == uid;
	}
	if (own >= TL_HELPS_OF_USER_MAX || all >= TL_HELPS_MAX)
		return tl_err_set(err, TL_EBUSY,
				  "%u requests are prepared already: submit or discard one",
				  own >= TL_HELPS_OF_USER_MAX ? own : all);
	return 0;
}

static void collect(struct tl_help *help)
{
	struct tl_agent *agent = help->agent;
	struct tl_err err = TL_ERR_INIT;
	char name[64];
	tl_fd int fd = -1;

	tl_bundle_file_name(help->id.text, name);
	if (tl_fs_open_at(agent->bundles_fd, name, O_RDWR | O_CLOEXEC, 0, &fd, &err) != 0) {
		tl_ask_fail(tl_steal(&help->ask), err.code, tl_err_text(&err));
		help_discard(help);
		return;
	}
	help->state = HELP_COLLECTING;
	if (agent->bundle_room >= 0)
		json_object_set_new(help->request, "max_bytes", json_integer(agent->bundle_room));
	tl_link_call(agent->link, "collect.run", tl_steal(&help->request), &fd, 1, on_collected,
		     help);
}

static void on_limits(void *arg, const struct tl_reply *reply)
{
	struct tl_help *help = arg;

	help->call = NULL;
	tl_limits_note(help->agent, reply);
	if (help->agent->bundle_room == 0) {
		tl_ask_fail(
			tl_steal(&help->ask), TL_EDENIED,
			"the relay keeps no more bundles of this machine: ask its administrator "
			"to make room (limits.host_bundles)");
		help_discard(help);
		return;
	}
	collect(help);
}

/* Asked before anything is collected: what the relay would refuse need not be made. */
static void ask_limits(struct tl_help *help)
{
	struct tl_agent *agent = help->agent;

	if (tl_stream_is_open(agent->stream))
		help->call = tl_relay_call(agent->relay,
					   &(struct tl_call_spec){.method = "GET",
								  .path = "/v1/agent/limits",
								  .timeout_ms = LIMITS_TIMEOUT_MS,
								  .on_done = on_limits,
								  .arg = help});
	if (!help->call)
		collect(help);
}

static int make_request(const struct tl_agent *agent, const char *help_id, const json_t *asked,
			json_t **ret_request, struct tl_err *err)
{
	tl_json *request = json_deep_copy(asked);
	json_t *recipients = NULL;
	int rc = tl_agent_recipients(&agent->config, &recipients, err);

	if (rc != 0)
		return rc;
	if (json_array_size(recipients) > 0)
		json_object_set(request, "recipients", recipients);
	json_decref(recipients);
	json_object_set_new(request, "help_id", json_string(help_id));
	if (!json_object_get(request, "profile"))
		json_object_set_new(request, "profile", json_string(agent->config.profile));
	*ret_request = tl_steal(&request);
	return 0;
}

int tl_help_prepare(struct tl_agent *agent, struct tl_ask *ask, const json_t *request,
		    struct tl_err *err)
{
	struct tl_id id = tl_id_new(agent->clock);
	tl_json *collect_run = NULL;
	struct tl_help *help;
	tl_fd int fd = -1;
	int rc = tl_queue_admits(agent->queue, ask->peer.uid, 0, err);

	if (rc == 0)
		rc = check_places(agent, ask->peer.uid, err);
	if (rc == 0)
		rc = make_request(agent, id.text, request, &collect_run, err);
	if (rc == 0)
		rc = open_spool(agent, &id, &fd, err);
	if (rc != 0)
		return rc;
	help = calloc(1, sizeof(*help));
	if (!help)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	help->id = id;
	help->agent = agent;
	help->uid = ask->peer.uid;
	help->ask = ask;
	help->request = tl_steal(&collect_run);
	snprintf(help->summary, sizeof(help->summary), "%s",
		 json_string_value(json_object_get(request, "summary")));
	uv_timer_init(&agent->loop, &help->timer);
	help->timer.data = help;
	help->next = agent->helps;
	agent->helps = help;
	ask_limits(help);
	return 0;
}

/* Only who prepared a request may go on with it. */
static int find_own(struct tl_agent *agent, const struct tl_ask *ask, const char *help_id,
		    struct tl_help **ret_help, struct tl_err *err)
{
	struct tl_help *help = find(agent, help_id);

	if (!help || (help->uid != ask->peer.uid && ask->peer.uid != 0))
		return tl_err_set(err, TL_ENOENT, "there is no prepared request %s", help_id);
	if (help->state != HELP_READY)
		return tl_err_set(err, TL_EBUSY, "the request %s is being worked on", help_id);
	*ret_help = help;
	return 0;
}

static void user_name(uid_t uid, char *name, size_t capacity)
{
	const struct passwd *entry = getpwuid(uid);

	if (entry)
		snprintf(name, capacity, "%s", entry->pw_name);
	else
		snprintf(name, capacity, "uid %u", (unsigned)uid);
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", (from) ? (from) : "")

static int enqueue(const struct tl_help *help, const char *consent, struct tl_err *err)
{
	tl_free struct tl_item *item = calloc(1, sizeof(*item));
	struct tl_item *queued;

	if (!item)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	item->state = TL_ITEM_TICKET;
	item->uid = help->uid;
	item->size = json_integer_value(json_object_get(help->bundle, "size"));
	user_name(help->uid, item->user, sizeof(item->user));
	COPY(item->help_id, help->id.text);
	COPY(item->summary, help->summary);
	COPY(item->bundle, json_string_value(json_object_get(help->bundle, "bundle")));
	COPY(item->sha256, json_string_value(json_object_get(help->bundle, "sha256")));
	COPY(item->index_sha256, json_string_value(json_object_get(help->bundle, "index_sha256")));
	if (strlen(consent) > TL_ITEM_CONSENT_MAX)
		return tl_err_set(err, TL_ETOOBIG, "the helper's receipt is too long");
	COPY(item->consent, consent);
	return tl_queue_add(help->agent->queue, item, &queued, err);
}

static int sync_bundle(const struct tl_help *help, struct tl_err *err)
{
	tl_fd int fd = -1;
	char name[64];
	int rc;

	tl_bundle_file_name(help->id.text, name);
	rc = tl_fs_open_at(help->agent->bundles_fd, name, O_RDONLY | O_CLOEXEC, 0, &fd, err);
	if (rc == 0 && (fsync(fd) != 0 || fsync(help->agent->bundles_fd) != 0))
		rc = tl_err_sys(err, TL_EIO, errno, "the bundle cannot be made durable");
	return rc;
}

static void on_receipt(void *arg, const json_t *result, const struct tl_err *failure)
{
	struct tl_help *help = arg;
	struct tl_agent *agent = help->agent;
	struct tl_ask *ask = tl_steal(&help->ask);
	const char *consent = json_string_value(json_object_get(result, "consent"));
	struct tl_err err = TL_ERR_INIT;

	help->state = HELP_READY;
	if (failure)
		err = *failure;
	else if (!consent)
		tl_err_set(&err, TL_EPROTO, "the helper gave no receipt");
	else if (sync_bundle(help, &err) == 0)
		(void)(enqueue(help, consent, &err) != 0);
	if (err.code) {
		tl_ask_fail(ask, err.code, tl_err_text(&err));
		return;
	}
	tl_log_info("help request queued", TL_S("help_id", help->id.text));
	tl_ask_reply(ask, json_pack("{s:b, s:s}", "queued", 1, "help_id", help->id.text), NULL, 0);
	help_close(help);
	tl_delivery_wake(agent->delivery);
}

int tl_help_submit(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
		   struct tl_err *err)
{
	struct tl_help *help;
	int rc;

	if (tl_queue_find(agent->queue, help_id)) { /* said twice: the first counts */
		tl_ask_reply(ask, json_pack("{s:b, s:s}", "queued", 1, "help_id", help_id), NULL,
			     0);
		return 0;
	}
	rc = find_own(agent, ask, help_id, &help, err);
	if (rc != 0)
		return rc;
	help->state = HELP_ASKING_RECEIPT;
	help->ask = ask;
	tl_link_call(agent->link, "consent.bundle",
		     json_pack("{s:s, s:O, s:I, s:s}", "help_id", help->id.text, "sha256",
			       json_object_get(help->bundle, "sha256"), "uid",
			       (json_int_t)ask->peer.uid, "decision", "yes"),
		     NULL, 0, on_receipt, help);
	return 0;
}

int tl_help_show(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
		 struct tl_err *err)
{
	struct tl_help *help;
	char name[64];
	tl_fd int fd = -1;
	int rc = find_own(agent, ask, help_id, &help, err);

	if (rc != 0)
		return rc;
	tl_bundle_file_name(help->id.text, name);
	rc = tl_fs_open_at(agent->bundles_fd, name, O_RDONLY | O_CLOEXEC, 0, &fd, err);
	if (rc == 0)
		tl_ask_reply(ask, NULL, &fd, 1);
	return rc;
}

int tl_help_discard(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
		    struct tl_err *err)
{
	struct tl_help *help;
	int rc = find_own(agent, ask, help_id, &help, err);

	if (rc != 0)
		return rc;
	help_discard(help);
	tl_ask_reply(ask, NULL, NULL, 0);
	return 0;
}

static const char *state_text(enum tl_item_state state)
{
	static const char *const texts[] = {"queued", "uploading", "done", "failed"};

	return texts[state];
}

int tl_help_status(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
		   struct tl_err *err)
{
	const struct tl_item *item = tl_queue_find(agent->queue, help_id);
	json_t *result;

	if (!item || (item->uid != ask->peer.uid && ask->peer.uid != 0))
		return tl_err_set(err, TL_ENOENT, "there is no request %s", help_id);
	result = json_pack("{s:s, s:I, s:I}", "state", state_text(item->state), "sent",
			   (json_int_t)(item->state == TL_ITEM_DONE ? item->size : item->sent),
			   "size", (json_int_t)item->size);
	if (item->ticket[0])
		json_object_set_new(result, "ticket", json_string(item->ticket));
	if (item->text[0])
		json_object_set_new(result, "text", json_string(item->text));
	tl_ask_reply(ask, result, NULL, 0);
	return 0;
}

static bool is_owed(const struct tl_agent *agent, const char *file)
{
	struct tl_id id;
	const struct tl_item *item;

	snprintf(id.text, sizeof(id.text), "%.26s", file);
	item = tl_queue_find(agent->queue, id.text);
	return item && (item->state == TL_ITEM_TICKET || item->state == TL_ITEM_UPLOAD);
}

void tl_help_sweep(const struct tl_agent *agent)
{
	int fd = openat(agent->bundles_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && !is_owed(agent, entry->d_name) &&
		    unlinkat(agent->bundles_fd, entry->d_name, 0) != 0)
			tl_log_warning("a left-over file cannot be removed");
	}
	if (dir)
		closedir(dir);
}

void tl_help_close_all(struct tl_agent *agent)
{
	while (agent->helps)
		help_discard(agent->helps);
}
