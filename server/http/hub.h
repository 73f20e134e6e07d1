/* Who listens to what: topics, subscriptions and their bounded queues of events, shared by all loops.
 *
 * A subscription exists before its connection streams (so that a handler can subscribe, read what is
 * pending, and lose nothing in between) and is attached to the connection later. Any thread. */
#ifndef TOWLINE_SERVER_HTTP_HUB_H
#define TOWLINE_SERVER_HTTP_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <towline/buf.h>

#define TL_HUB_QUEUE_BYTES_MAX ((size_t)256 * 1024)
#define TL_HUB_QUEUE_EVENTS_MAX 1024

struct tl_hub;
struct tl_subscription;
struct tl_loop;

struct tl_hub *tl_hub_new(void);
void tl_hub_free(struct tl_hub *hub);

/* NULL when memory ran out. */
struct tl_subscription *tl_hub_subscribe(struct tl_hub *hub, const char *topic);
void tl_hub_unsubscribe(struct tl_subscription *subscription);
/* `ended` is called once, when the subscription has ended; on any thread, without the hub's lock. */
void tl_hub_on_end(struct tl_subscription *subscription, void (*ended)(void *arg), void *arg);

/* From now on `loop` is woken for this subscription, and finds `owner` with it. */
void tl_hub_attach(struct tl_subscription *subscription, struct tl_loop *loop, void *owner);

/* Queues `bytes` at every subscription of `topic` and wakes their loops. One whose queue is full gets
 * nothing more and is marked overflown. Returns how many took it. */
size_t tl_hub_publish(struct tl_hub *hub, const char *topic, const void *bytes, size_t len);

/* The owner of the next subscription of `loop` that has something to do; NULL when none has. */
void *tl_hub_next(struct tl_hub *hub, struct tl_loop *loop);

/* Moves queued events to `out` while they fit. Returns false when the subscription has overflown. */
bool tl_hub_take(struct tl_subscription *subscription, struct tl_buf *out);

#endif
