#include "http/timer.h"

static void list_init(struct tl_wheel_node *head)
{
	head->next = head;
	head->prev = head;
}

static void list_insert(struct tl_wheel_node *head, struct tl_wheel_node *node)
{
	node->next = head;
	node->prev = head->prev;
	head->prev->next = node;
	head->prev = node;
}

static void list_remove(struct tl_wheel_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = NULL;
	node->prev = NULL;
}

/* Moves all of `from` to the empty head `to`. */
static void list_splice(struct tl_wheel_node *from, struct tl_wheel_node *to)
{
	list_init(to);
	if (from->next == from)
		return;
	to->next = from->next;
	to->prev = from->prev;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

void tl_wheel_init(struct tl_wheel *wheel, int64_t now_ms)
{
	for (size_t i = 0; i < TL_WHEEL_SLOTS; i++)
		list_init(&wheel->slots[i]);
	wheel->tick = now_ms / TL_WHEEL_TICK_MS;
	wheel->count = 0;
}

/* The tick at which a deadline counts as passed, within the wheel's horizon. */
static int64_t tick_of(const struct tl_wheel *wheel, int64_t due_ms)
{
	int64_t tick = (due_ms + TL_WHEEL_TICK_MS - 1) / TL_WHEEL_TICK_MS;

	if (tick <= wheel->tick)
		return wheel->tick + 1;
	if (tick >= wheel->tick + TL_WHEEL_SLOTS)
		return wheel->tick + TL_WHEEL_SLOTS - 1;
	return tick;
}

static void file_node(struct tl_wheel *wheel, struct tl_wheel_node *node)
{
	node->filed_tick = tick_of(wheel, node->due_ms);
	list_insert(&wheel->slots[node->filed_tick % TL_WHEEL_SLOTS], node);
	wheel->count++;
}

void tl_wheel_set(struct tl_wheel *wheel, struct tl_wheel_node *node, int64_t due_ms)
{
	node->due_ms = due_ms;
	if (node->next && tick_of(wheel, due_ms) >= node->filed_tick)
		return;
	tl_wheel_cancel(wheel, node);
	file_node(wheel, node);
}

void tl_wheel_cancel(struct tl_wheel *wheel, struct tl_wheel_node *node)
{
	if (!node->next)
		return;
	list_remove(node);
	wheel->count--;
}

static void visit(struct tl_wheel *wheel, struct tl_wheel_node *head, int64_t now_ms,
		  void (*fire)(void *arg, struct tl_wheel_node *node), void *arg)
{
	struct tl_wheel_node due;

	list_splice(head, &due);
	while (due.next != &due) {
		struct tl_wheel_node *node = due.next;

		list_remove(node);
		wheel->count--;
		if (node->due_ms <= now_ms)
			fire(arg, node);
		else
			file_node(wheel, node);
	}
}

void tl_wheel_advance(struct tl_wheel *wheel, int64_t now_ms,
		      void (*fire)(void *arg, struct tl_wheel_node *node), void *arg)
{
	int64_t last = now_ms / TL_WHEEL_TICK_MS;
	int64_t first = wheel->tick + 1;

	/* After a pause longer than the horizon each slot is visited once. */
	if (last - first >= TL_WHEEL_SLOTS)
		first = last - TL_WHEEL_SLOTS + 1;
	for (int64_t tick = first; tick <= last; tick++) {
		wheel->tick = tick;
		visit(wheel, &wheel->slots[tick % TL_WHEEL_SLOTS], now_ms, fire, arg);
	}
}
