/* What the agent owes the relay: help requests that were submitted, in order, one JSON file each.
 *
 * An item is on the disk before its submission is acknowledged and each change of state is durable
 * before it is acted upon: a crash at any point repeats at most an idempotent request. Bounded in items
 * and in bytes of bundles. Loop thread only. */
#ifndef TOWLINE_AGENT_QUEUE_H
#define TOWLINE_AGENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/id.h>

#define TL_ITEM_SUMMARY_MAX 500
#define TL_ITEM_CONSENT_MAX 8192
#define TL_QUEUE_FINISHED_MAX 32 /* finished items that are remembered, to be shown */

enum tl_item_state { TL_ITEM_TICKET, TL_ITEM_UPLOAD, TL_ITEM_DONE, TL_ITEM_FAILED };

struct tl_item {
	struct tl_item *next;
	int64_t sequence; /* order of submission */
	enum tl_item_state state;
	char help_id[TL_ID_LEN + 1];
	uid_t uid;
	char user[256];
	char summary[TL_ITEM_SUMMARY_MAX + 1];
	char bundle[TL_ID_LEN + 1];
	char sha256[65], index_sha256[65];
	int64_t size;
	int64_t sent; /* of the upload; not kept on disk: the relay knows */
	char consent[TL_ITEM_CONSENT_MAX + 1];
	char ticket[33];
	char text[TL_ERR_TEXT_MAX]; /* why it failed, or why it waits */
};

struct tl_queue;

struct tl_queue_limits {
	int64_t max_items;
	uint64_t max_bytes;
};

/* Reads the directory "queue" below `state_fd` (made when missing). Items that cannot be read are
 * renamed to *.damaged and counted. */
TL_MUST_CHECK int tl_queue_open(int state_fd, const struct tl_queue_limits *limits,
				struct tl_queue **ret_queue, struct tl_err *err);
/* Appends a copy of `item`; it gets the next sequence. TL_EBUSY when the queue is full, TL_EEXIST for
 * a help_id that is there. Durable when it returns 0. *ret_item belongs to the queue. */
TL_MUST_CHECK int tl_queue_add(struct tl_queue *queue, const struct tl_item *item,
			       struct tl_item **ret_item, struct tl_err *err);
/* Makes the item's present contents durable. Finished items beyond TL_QUEUE_FINISHED_MAX are
 * forgotten, the oldest first: do not use pointers to finished items afterwards. */
TL_MUST_CHECK int tl_queue_save(struct tl_queue *queue, const struct tl_item *item,
				struct tl_err *err);
/* Would an item with a bundle of `size` bytes fit? */
TL_MUST_CHECK int tl_queue_has_room(const struct tl_queue *queue, uint64_t size,
				    struct tl_err *err);

/* The same for an item of this user, whose items leave a quarter of the queue to the others. */
TL_MUST_CHECK int tl_queue_admits(const struct tl_queue *queue, uid_t uid, uint64_t size,
				  struct tl_err *err);

/* The first item that is neither done nor failed, or NULL. */
struct tl_item *tl_queue_first(const struct tl_queue *queue);
struct tl_item *tl_queue_find(const struct tl_queue *queue, const char *help_id);
/* Items that wait, and the bytes of their bundles. */
void tl_queue_load(const struct tl_queue *queue, int64_t *ret_items, uint64_t *ret_bytes);
unsigned tl_queue_damaged(const struct tl_queue *queue);

void tl_queue_free(struct tl_queue *queue);
TL_DEFINE_AUTO_PTR(tl_queue, tl_queue_free);

#endif
