#include "store/slots.h"

#include <stdio.h>
#include <towline/attr.h>

#include "place.h"

static int take(struct tl_slots *slots, const char *key)
{
	int index = tl_slots_find(slots, key);

	if (index >= 0)
		return index;
	index = tl_slots_victim(slots);
	if (index >= 0)
		assert_true(tl_slots_set(slots, index, key));
	return index;
}

static void fill(struct tl_slots *slots)
{
	for (int i = 0; i < TL_SLOTS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key %d", i);
		assert_true(take(slots, key) >= 0);
	}
}

static void a_key_is_found_where_it_was_set(void **state)
{
	struct tl_slots slots = {.turn = 0};

	(void)state;
	int a = take(&slots, "a"), b = take(&slots, "b");

	assert_int_not_equal(a, b);
	assert_int_equal(tl_slots_find(&slots, "a"), a);
	assert_int_equal(tl_slots_find(&slots, "b"), b);
	assert_int_equal(tl_slots_find(&slots, "c"), -1);
	tl_slots_clear(&slots);
	assert_int_equal(tl_slots_find(&slots, "a"), -1);
}

static void the_longest_unused_one_is_given_up(void **state)
{
	struct tl_slots slots = {.turn = 0};

	(void)state;
	fill(&slots);
	int first = tl_slots_find(&slots, "key 0");

	take(&slots, "new");
	assert_int_equal(tl_slots_find(&slots, "key 0"), first);
	assert_int_equal(tl_slots_find(&slots, "key 1"), -1);
	tl_slots_clear(&slots);
}

static void a_busy_one_is_neither_shared_nor_given_up(void **state)
{
	struct tl_slots slots = {.turn = 0};

	(void)state;
	fill(&slots);
	for (int i = 0; i < TL_SLOTS; i++)
		slots.slot[i].busy = true;
	assert_int_equal(tl_slots_find(&slots, "key 0"), -1);
	assert_int_equal(tl_slots_victim(&slots), -1);
	slots.slot[5].busy = false;
	assert_int_equal(tl_slots_victim(&slots), 5);
	tl_slots_clear(&slots);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_found_where_it_was_set),
		cmocka_unit_test(the_longest_unused_one_is_given_up),
		cmocka_unit_test(a_busy_one_is_neither_shared_nor_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
