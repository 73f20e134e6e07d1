#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <towline/attr.h>
#include <cmocka.h>

#include "http/timer.h"

struct entry {
	struct tl_wheel_node node;
	int64_t fired_ms;
	unsigned times;
	struct entry *cancels; /* when it fires */
};

struct world {
	struct tl_wheel wheel;
	int64_t now_ms;
};

static void fire(void *arg, struct tl_wheel_node *node)
{
	struct world *world = arg;
	struct entry *entry = tl_container_of(node, struct entry, node);

	entry->fired_ms = world->now_ms;
	entry->times++;
	if (entry->cancels)
		tl_wheel_cancel(&world->wheel, &entry->cancels->node);
}

static void advance(struct world *world, int64_t to_ms)
{
	while (world->now_ms < to_ms) {
		world->now_ms += TL_WHEEL_TICK_MS;
		tl_wheel_advance(&world->wheel, world->now_ms, fire, world);
	}
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	world->now_ms = 1000000;
	tl_wheel_init(&world->wheel, world->now_ms);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void a_deadline_fires_once_within_a_tick(void **state)
{
	struct world *world = *state;
	struct entry entries[40] = {{.times = 0}};
	int64_t start_ms = world->now_ms;

	for (int i = 0; i < 40; i++)
		tl_wheel_set(&world->wheel, &entries[i].node, start_ms + i * 1777);
	advance(world, start_ms + 100000);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(entries[i].times, 1);
		assert_in_range(entries[i].fired_ms - start_ms, i * 1777,
				i * 1777 + 2 * TL_WHEEL_TICK_MS);
	}
	assert_int_equal(world->wheel.count, 0);
}

static void a_deadline_can_be_moved_both_ways(void **state)
{
	struct world *world = *state;
	struct entry later = {.times = 0}, earlier = {.times = 0};
	int64_t start_ms = world->now_ms;

	tl_wheel_set(&world->wheel, &later.node, start_ms + 500);
	tl_wheel_set(&world->wheel, &later.node, start_ms + 3000);
	tl_wheel_set(&world->wheel, &earlier.node, start_ms + 3000);
	tl_wheel_set(&world->wheel, &earlier.node, start_ms + 500);
	advance(world, start_ms + 1000);
	assert_int_equal(later.times, 0);
	assert_int_equal(earlier.times, 1);
	advance(world, start_ms + 3100);
	assert_int_equal(later.times, 1);
	assert_int_equal(earlier.times, 1);
}

static void a_cancelled_deadline_does_not_fire(void **state)
{
	struct world *world = *state;
	struct entry first = {.times = 0}, second = {.times = 0};
	int64_t due_ms = world->now_ms + 500;

	first.cancels = &second;
	tl_wheel_set(&world->wheel, &first.node, due_ms);
	tl_wheel_set(&world->wheel, &second.node, due_ms);
	advance(world, due_ms + 1000);
	assert_int_equal(first.times, 1);
	assert_int_equal(second.times, 0);
	assert_int_equal(world->wheel.count, 0);
}

static void a_long_pause_fires_everything_that_is_due(void **state)
{
	struct world *world = *state;
	struct entry soon = {.times = 0}, far = {.times = 0};

	tl_wheel_set(&world->wheel, &soon.node, world->now_ms + 100);
	tl_wheel_set(&world->wheel, &far.node, world->now_ms + 10000000);
	world->now_ms += 3600000;
	tl_wheel_advance(&world->wheel, world->now_ms, fire, world);
	assert_int_equal(soon.times, 1);
	assert_int_equal(far.times, 0);
	assert_int_equal(world->wheel.count, 1);
	tl_wheel_cancel(&world->wheel, &far.node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_deadline_fires_once_within_a_tick),
		TEST(a_deadline_can_be_moved_both_ways),
		TEST(a_cancelled_deadline_does_not_fire),
		TEST(a_long_pause_fires_everything_that_is_due),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
