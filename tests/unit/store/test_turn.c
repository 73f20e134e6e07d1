#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "store/turn.h"
#include <cmocka.h>

#define THREADS 4
#define ROUNDS 500
#define LONG_MS 60000

static int inside, turns; /* guarded by the turn */

static void *take_often(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (tl_turn_take(LONG_MS, NULL))
			return arg;
		if (++inside != 1)
			return arg;
		turns++;
		inside--;
		tl_turn_give();
	}
	return NULL;
}

static void one_thread_has_the_turn(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	turns = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_often, &turns), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(turns, THREADS * ROUNDS);
}

static void *take_in_vain(void *arg)
{
	struct tl_err err = TL_ERR_INIT;

	*(int *)arg = tl_turn_take(0, &err);
	return NULL;
}

static void a_turn_that_does_not_come_is_busy(void **state)
{
	pthread_t thread;
	int outcome = 0;

	(void)state;
	assert_int_equal(tl_turn_take(0, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, take_in_vain, &outcome), 0);
	pthread_join(thread, NULL);
	assert_int_equal(outcome, TL_EBUSY);
	tl_turn_give();
	assert_int_equal(tl_turn_take(0, NULL), 0); /* whoever left has no place in the queue */
	tl_turn_give();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_has_the_turn),
		cmocka_unit_test(a_turn_that_does_not_come_is_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
