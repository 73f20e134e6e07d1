#include "http/hub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "http/loop.h"

#define BUCKETS 4096

/* One published event, shared by all queues it is in. */
struct event {
	unsigned refs; /* under the hub's lock */
	size_t len;
	char bytes[];
};

struct queued {
	struct queued *next;
	struct event *event;
};

struct tl_subscription {
	struct tl_hub *hub;
	struct tl_subscription *next, **slot; /* in its bucket */
	struct queued *first, **last;
	size_t queued_events, queued_bytes;
	bool overflown, waking;
	struct tl_loop *loop; /* NULL until attached */
	void *owner;
	void (*ended)(void *arg); /* may be NULL */
	void *ended_arg;
	struct tl_subscription *wake_next, **wake_slot;
	char topic[];
};

struct tl_hub {
	pthread_mutex_t lock;
	struct tl_subscription *buckets[BUCKETS];
};

struct tl_hub *tl_hub_new(void)
{
	struct tl_hub *hub = calloc(1, sizeof *hub);

	if (hub)
		pthread_mutex_init(&hub->lock, NULL);
	return hub;
}

void tl_hub_free(struct tl_hub *hub)
{
	if (!hub)
		return;
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

/* FNV-1a: topics are ours, never a client's choice. */
static struct tl_subscription **bucket_of(struct tl_hub *hub, const char *topic)
{
	uint32_t hash = 2166136261u;

	for (; *topic; topic++)
		hash = (hash ^ (unsigned char)*topic) * 16777619u;
	return &hub->buckets[hash % BUCKETS];
}

struct tl_subscription *tl_hub_subscribe(struct tl_hub *hub, const char *topic)
{
	size_t size = strlen(topic) + 1;
	struct tl_subscription *subscription = calloc(1, sizeof *subscription + size);
	struct tl_subscription **bucket = bucket_of(hub, topic);

	if (!subscription)
		return NULL;
	memcpy(subscription->topic, topic, size);
	subscription->hub = hub;
	subscription->last = &subscription->first;
	pthread_mutex_lock(&hub->lock);
	subscription->next = *bucket;
	subscription->slot = bucket;
	if (*bucket)
		(*bucket)->slot = &subscription->next;
	*bucket = subscription;
	pthread_mutex_unlock(&hub->lock);
	return subscription;
}

static void release(struct event *event)
{
	if (--event->refs == 0)
		free(event);
}

static void drop_first(struct tl_subscription *subscription)
{
	struct queued *queued = subscription->first;

	subscription->first = queued->next;
	if (!subscription->first)
		subscription->last = &subscription->first;
	subscription->queued_events--;
	subscription->queued_bytes -= queued->event->len;
	release(queued->event);
	free(queued);
}

static void unlink_wake(struct tl_subscription *subscription)
{
	if (!subscription->waking)
		return;
	subscription->waking = false;
	*subscription->wake_slot = subscription->wake_next;
	if (subscription->wake_next)
		subscription->wake_next->wake_slot = subscription->wake_slot;
}

void tl_hub_unsubscribe(struct tl_subscription *subscription)
{
	struct tl_hub *hub;

	if (!subscription)
		return;
	hub = subscription->hub;
	pthread_mutex_lock(&hub->lock);
	*subscription->slot = subscription->next;
	if (subscription->next)
		subscription->next->slot = subscription->slot;
	unlink_wake(subscription);
	while (subscription->first)
		drop_first(subscription);
	pthread_mutex_unlock(&hub->lock);
	if (subscription->ended)
		subscription->ended(subscription->ended_arg);
	free(subscription);
}

void tl_hub_on_end(struct tl_subscription *subscription, void (*ended)(void *arg), void *arg)
{
	subscription->ended = ended;
	subscription->ended_arg = arg;
}

static void wake(struct tl_subscription *subscription)
{
	struct tl_subscription **head;

	if (subscription->waking || !subscription->loop)
		return;
	head = tl_loop_wake_list(subscription->loop);
	subscription->waking = true;
	subscription->wake_next = *head;
	subscription->wake_slot = head;
	if (*head)
		(*head)->wake_slot = &subscription->wake_next;
	*head = subscription;
	tl_loop_notify(subscription->loop);
}

void tl_hub_attach(struct tl_subscription *subscription, struct tl_loop *loop, void *owner)
{
	struct tl_hub *hub = subscription->hub;

	pthread_mutex_lock(&hub->lock);
	subscription->loop = loop;
	subscription->owner = owner;
	pthread_mutex_unlock(&hub->lock);
}

static bool enqueue(struct tl_subscription *subscription, struct event *event)
{
	struct queued *queued;

	if (subscription->overflown)
		return false;
	queued = subscription->queued_events < TL_HUB_QUEUE_EVENTS_MAX &&
				 subscription->queued_bytes + event->len <= TL_HUB_QUEUE_BYTES_MAX
			 ? malloc(sizeof *queued)
			 : NULL;
	if (!queued) {
		subscription->overflown = true;
		return false;
	}
	*queued = (struct queued){.event = event};
	event->refs++;
	*subscription->last = queued;
	subscription->last = &queued->next;
	subscription->queued_events++;
	subscription->queued_bytes += event->len;
	return true;
}

size_t tl_hub_publish(struct tl_hub *hub, const char *topic, const void *bytes, size_t len)
{
	struct event *event = malloc(sizeof *event + len);
	size_t reached = 0;

	if (!event)
		return 0;
	*event = (struct event){.refs = 1, .len = len};
	memcpy(event->bytes, bytes, len);
	pthread_mutex_lock(&hub->lock);
	for (struct tl_subscription *each = *bucket_of(hub, topic); each; each = each->next) {
		if (!tl_streq(each->topic, topic))
			continue;
		reached += enqueue(each, event);
		wake(each);
	}
	release(event);
	pthread_mutex_unlock(&hub->lock);
	return reached;
}

void *tl_hub_next(struct tl_hub *hub, struct tl_loop *loop)
{
	struct tl_subscription *subscription;
	void *owner = NULL;

	pthread_mutex_lock(&hub->lock);
	subscription = *tl_loop_wake_list(loop);
	if (subscription) {
		unlink_wake(subscription);
		owner = subscription->owner;
	}
	pthread_mutex_unlock(&hub->lock);
	return owner;
}

bool tl_hub_take(struct tl_subscription *subscription, struct tl_buf *out)
{
	struct tl_hub *hub = subscription->hub;
	bool sound;

	pthread_mutex_lock(&hub->lock);
	while (subscription->first && out->len + subscription->first->event->len <= out->max) {
		tl_buf_append(out, subscription->first->event->bytes,
			      subscription->first->event->len);
		drop_first(subscription);
	}
	sound = !subscription->overflown;
	pthread_mutex_unlock(&hub->lock);
	return sound;
}
