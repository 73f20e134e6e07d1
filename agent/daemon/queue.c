#include "daemon/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/json.h>
#include <towline/str.h>

#define FILE_MAX (32 * 1024)
#define SUFFIX ".json"

struct tl_queue {
	int dir_fd;
	struct tl_queue_limits limits;
	struct tl_item *items; /* by sequence */
	int64_t last_sequence;
	unsigned damaged;
};

static const char *const state_names[] = {"ticket", "upload", "done", "failed"};

static bool is_finished(const struct tl_item *item)
{
	return item->state == TL_ITEM_DONE || item->state == TL_ITEM_FAILED;
}

struct item_text {
	const char *state, *help_id, *user, *summary, *bundle, *sha256, *index_sha256, *consent,
		*ticket, *text;
	int64_t sequence, uid, size;
};

#define MEMBER(member) offsetof(struct item_text, member)
static const struct tl_json_member members[] = {
	{"bundle", TL_JSON_ID, true, MEMBER(bundle)},
	{"consent", TL_JSON_TEXT, true, MEMBER(consent), 0, TL_ITEM_CONSENT_MAX},
	{"help_id", TL_JSON_ID, true, MEMBER(help_id)},
	{"index_sha256", TL_JSON_TEXT, true, MEMBER(index_sha256), 0, 64},
	{"sequence", TL_JSON_INT, true, MEMBER(sequence), 1, INT64_MAX - 1},
	{"sha256", TL_JSON_TEXT, true, MEMBER(sha256), 0, 64},
	{"size", TL_JSON_INT, true, MEMBER(size), 0, INT64_MAX},
	{"state", TL_JSON_TEXT, true, MEMBER(state)},
	{"summary", TL_JSON_TEXT, true, MEMBER(summary), 0, TL_ITEM_SUMMARY_MAX},
	{"text", TL_JSON_TEXT, true, MEMBER(text), 0, TL_ERR_TEXT_MAX - 1},
	{"ticket", TL_JSON_TEXT, true, MEMBER(ticket), 0, 32},
	{"uid", TL_JSON_INT, true, MEMBER(uid), 0, UINT32_MAX},
	{"user", TL_JSON_TEXT, true, MEMBER(user), 0, 255},
};

static json_t *item_json(const struct tl_item *item)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s}",
			 "bundle", item->bundle, "consent", item->consent, "help_id", item->help_id,
			 "index_sha256", item->index_sha256, "sequence", (json_int_t)item->sequence,
			 "sha256", item->sha256, "size", (json_int_t)item->size, "state",
			 state_names[item->state], "summary", item->summary, "text", item->text,
			 "ticket", item->ticket, "uid", (json_int_t)item->uid, "user", item->user);
}

static int read_state(const char *name, enum tl_item_state *ret_state)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(state_names); i++) {
		if (tl_streq(state_names[i], name)) {
			*ret_state = (enum tl_item_state)i;
			return 0;
		}
	}
	return TL_EINVAL;
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", from)

static int item_read(const json_t *json, struct tl_item *ret_item)
{
	struct item_text text;
	int rc = tl_json_read(json, members, TL_ARRAY_LEN(members), &text, NULL);

	if (rc == 0)
		rc = read_state(text.state, &ret_item->state);
	if (rc != 0)
		return rc;
	ret_item->sequence = text.sequence;
	ret_item->uid = (uid_t)text.uid;
	ret_item->size = text.size;
	COPY(ret_item->help_id, text.help_id);
	COPY(ret_item->user, text.user);
	COPY(ret_item->summary, text.summary);
	COPY(ret_item->bundle, text.bundle);
	COPY(ret_item->sha256, text.sha256);
	COPY(ret_item->index_sha256, text.index_sha256);
	COPY(ret_item->consent, text.consent);
	COPY(ret_item->ticket, text.ticket);
	COPY(ret_item->text, text.text);
	return 0;
}

static void insert(struct tl_queue *queue, struct tl_item *item)
{
	struct tl_item **link = &queue->items;

	while (*link && (*link)->sequence < item->sequence)
		link = &(*link)->next;
	item->next = *link;
	*link = item;
	if (item->sequence > queue->last_sequence)
		queue->last_sequence = item->sequence;
}

static int load_item(struct tl_queue *queue, const char *name)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FILE_MAX);
	tl_json *json = NULL;
	tl_free struct tl_item *item = calloc(1, sizeof(*item));
	int rc = item ? tl_fs_read_file(queue->dir_fd, name, &text, NULL) : TL_ENOMEM;

	if (rc == 0)
		rc = tl_json_parse(tl_buf_str(&text), text.len, &json, NULL);
	if (rc == 0)
		rc = item_read(json, item);
	if (rc != 0)
		return rc;
	if (strncmp(name, item->help_id, TL_ID_LEN) != 0)
		return TL_EINVAL;
	insert(queue, tl_steal(&item));
	return 0;
}

static void set_aside(struct tl_queue *queue, const char *name)
{
	char aside[NAME_MAX + 1];

	queue->damaged++;
	snprintf(aside, sizeof(aside), "%.*s.damaged", (int)(NAME_MAX - 8), name);
	if (renameat(queue->dir_fd, name, queue->dir_fd, aside) != 0)
		return; /* it stays, and is counted again next time */
}

static int load_all(struct tl_queue *queue, struct tl_err *err)
{
	int fd = openat(queue->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir)
		return tl_err_sys(err, TL_EIO, errno, "the queue cannot be read");
	while ((entry = readdir(dir))) {
		if (!tl_str_ends(entry->d_name, SUFFIX) ||
		    strlen(entry->d_name) != TL_ID_LEN + sizeof(SUFFIX) - 1)
			continue;
		if (load_item(queue, entry->d_name) != 0)
			set_aside(queue, entry->d_name);
	}
	closedir(dir);
	return 0;
}

int tl_queue_open(int state_fd, const struct tl_queue_limits *limits, struct tl_queue **ret_queue,
		  struct tl_err *err)
{
	tl_auto(tl_queue) struct tl_queue *queue = calloc(1, sizeof(*queue));
	int rc;

	if (!queue)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	queue->limits = *limits;
	queue->dir_fd = -1;
	if (mkdirat(state_fd, "queue", 0700) != 0 && errno != EEXIST)
		return tl_err_sys(err, TL_EIO, errno, "the queue's directory cannot be made");
	rc = tl_fs_open_at(state_fd, "queue", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &queue->dir_fd,
			   err);
	if (rc == 0)
		rc = load_all(queue, err);
	if (rc == 0)
		*ret_queue = tl_steal(&queue);
	return rc;
}

static void file_name(const struct tl_item *item, char name[static NAME_MAX])
{
	snprintf(name, NAME_MAX, "%s" SUFFIX, item->help_id);
}

static int write_item(const struct tl_queue *queue, const struct tl_item *item, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FILE_MAX);
	tl_json *json = item_json(item);
	char name[NAME_MAX];

	if (!json)
		return tl_err_set(err, TL_EINVAL, "the request holds text that is no UTF-8");
	tl_json_write(&text, json);
	if (tl_buf_check(&text) != 0)
		return tl_err_set(err, TL_ETOOBIG, "the request does not fit its file");
	file_name(item, name);
	return tl_fs_write_file(queue->dir_fd, name, 0600, text.data, text.len, err);
}

static void forget_oldest(struct tl_queue *queue)
{
	unsigned finished = 0;
	char name[NAME_MAX];

	for (const struct tl_item *item = queue->items; item; item = item->next)
		finished += is_finished(item);
	for (struct tl_item **link = &queue->items; *link && finished > TL_QUEUE_FINISHED_MAX;) {
		struct tl_item *item = *link;

		if (!is_finished(item)) {
			link = &item->next;
			continue;
		}
		file_name(item, name);
		if (tl_fs_remove(queue->dir_fd, name, NULL) != 0)
			return; /* tried again with the next one that finishes */
		*link = item->next;
		free(item);
		finished--;
	}
}

void tl_queue_load(const struct tl_queue *queue, int64_t *ret_items, uint64_t *ret_bytes)
{
	*ret_items = 0;
	*ret_bytes = 0;
	for (const struct tl_item *item = queue->items; item; item = item->next) {
		if (is_finished(item))
			continue;
		*ret_items += 1;
		*ret_bytes += (uint64_t)item->size;
	}
}

int tl_queue_has_room(const struct tl_queue *queue, uint64_t size, struct tl_err *err)
{
	int64_t items;
	uint64_t bytes;

	tl_queue_load(queue, &items, &bytes);
	if (items >= queue->limits.max_items)
		return tl_err_set(err, TL_EBUSY,
				  "%lld requests wait for the relay already (queue.max_items)",
				  (long long)items);
	if (size > queue->limits.max_bytes || bytes > queue->limits.max_bytes - size)
		return tl_err_set(
			err, TL_EBUSY,
			"the bundles that wait for the relay take all of queue.max_bytes");
	return 0;
}

int tl_queue_admits(const struct tl_queue *queue, uid_t uid, uint64_t size, struct tl_err *err)
{
	const struct tl_queue_limits *limits = &queue->limits;
	uint64_t bytes = size;
	int64_t items = 1;
	int rc = tl_queue_has_room(queue, size, err);

	for (const struct tl_item *item = queue->items; item; item = item->next) {
		if (is_finished(item) || item->uid != uid)
			continue;
		items++;
		bytes += (uint64_t)item->size;
	}
	if (rc != 0 || items == 1)
		return rc;
	if (items > limits->max_items - limits->max_items / 4 ||
	    bytes > limits->max_bytes - limits->max_bytes / 4)
		return tl_err_set(err, TL_EBUSY,
				  "your requests take your share of the queue: wait until the "
				  "relay has some of them");
	return 0;
}

int tl_queue_add(struct tl_queue *queue, const struct tl_item *item, struct tl_item **ret_item,
		 struct tl_err *err)
{
	tl_free struct tl_item *copy = malloc(sizeof(*copy));
	int rc = tl_queue_admits(queue, item->uid, (uint64_t)item->size, err);

	if (rc != 0)
		return rc;
	if (!copy)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (tl_queue_find(queue, item->help_id))
		return tl_err_set(err, TL_EEXIST, "the request %s was submitted before",
				  item->help_id);
	*copy = *item;
	copy->sequence = queue->last_sequence + 1;
	rc = write_item(queue, copy, err);
	if (rc != 0)
		return rc;
	*ret_item = copy;
	insert(queue, tl_steal(&copy));
	return 0;
}

int tl_queue_save(struct tl_queue *queue, const struct tl_item *item, struct tl_err *err)
{
	int rc = write_item(queue, item, err);

	if (rc == 0)
		forget_oldest(queue);
	return rc;
}

struct tl_item *tl_queue_first(const struct tl_queue *queue)
{
	struct tl_item *item = queue->items;

	while (item && is_finished(item))
		item = item->next;
	return item;
}

struct tl_item *tl_queue_find(const struct tl_queue *queue, const char *help_id)
{
	struct tl_item *item = queue->items;

	while (item && !tl_streq(item->help_id, help_id))
		item = item->next;
	return item;
}

unsigned tl_queue_damaged(const struct tl_queue *queue)
{
	return queue->damaged;
}

void tl_queue_free(struct tl_queue *queue)
{
	if (!queue)
		return;
	while (queue->items) {
		struct tl_item *item = queue->items;

		queue->items = item->next;
		free(item);
	}
	if (queue->dir_fd >= 0)
		close(queue->dir_fd);
	free(queue);
}
