#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#include "collect/builtin/dns_probe.h"
#include "scene.h"

static void answer_with_its_number_has_a_code(void **state TL_UNUSED)
{
	const uint8_t answer[12] = {0x12, 0x34, 0x81, 0x83, 0, 1};

	assert_int_equal(dns_probe_read(answer, sizeof answer, 0x1234), 3);
}

static void question_stranger_and_fragment_are_no_answer(void **state TL_UNUSED)
{
	const uint8_t question[12] = {0x12, 0x34, 0x01, 0x00};
	const uint8_t answer[12] = {0x12, 0x34, 0x81, 0x80};

	assert_int_equal(dns_probe_read(question, sizeof question, 0x1234), -1);
	assert_int_equal(dns_probe_read(answer, sizeof answer, 0x1235), -1);
	assert_int_equal(dns_probe_read(answer, 11, 0x1234), -1);
}

static void *serve(void *arg)
{
	const int *fd = arg;
	uint8_t packet[512];
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	ssize_t n = recvfrom(*fd, packet, sizeof packet, 0, (struct sockaddr *)&peer, &len);

	if (n > 12) {
		packet[2] |= 0x80;
		packet[3] = 5; /* refused */
		sendto(*fd, packet, (size_t)n, 0, (struct sockaddr *)&peer, len);
	}
	return NULL;
}

static void listen_on(int *fd, struct sockaddr_in *address)
{
	socklen_t len = sizeof *address;

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	*fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)address, len), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)address, &len), 0);
}

static void server_that_answers_is_heard(void **state TL_UNUSED)
{
	struct sockaddr_in address;
	struct dns_probe_result result;
	pthread_t thread;
	int fd;

	listen_on(&fd, &address);
	assert_int_equal(pthread_create(&thread, NULL, serve, &fd), 0);
	dns_probe((struct sockaddr *)&address, sizeof address, tl_clock_system(), 20000, &result);
	pthread_join(thread, NULL);
	close(fd);
	assert_int_equal(result.rcode, 5);
}

static void server_that_is_silent_costs_its_time_only(void **state TL_UNUSED)
{
	struct sockaddr_in address;
	struct dns_probe_result result;
	int fd;

	listen_on(&fd, &address);
	dns_probe((struct sockaddr *)&address, sizeof address, tl_clock_system(), 20, &result);
	close(fd);
	assert_int_equal(result.rcode, -1);
}

static void server_that_is_not_there_is_named_with_its_fault(void **state)
{
	struct stage *stage = *state;
	tl_json *item = NULL;

	/* loopback, where nobody answers: the kernel says so at once */
	stage_file(stage, "/etc/resolv.conf",
		   "# none\nnameserver 127.255.255.254\n"
		   "nameserver not-an-address\n");
	scene_play(stage, collect_reachability, NULL);
	item = scene_item(stage, "reachability", "name-server 127.255.255.254");
	assert_true(json_is_false(json_object_get(item, "answers")));
	json_decref(item);
	item = scene_item(stage, "reachability", "name-server not-an-address");
	assert_string_equal(json_string_value(json_object_get(item, "error")), "it is no address");
}

static void relay_of_the_enrolled_host_is_tried(void **state)
{
	struct stage *stage = *state;
	tl_json *lookup = NULL, *relay = NULL;

	stage_file(stage, "/var/lib/towline-agent/identity.json",
		   "{\"url\":\"https://127.0.0.1:1/path\"}");
	scene_play(stage, collect_reachability, NULL);
	lookup = scene_item(stage, "reachability", "lookup relay");
	relay = scene_item(stage, "reachability", "relay 127.0.0.1 port 1");
	assert_true(json_is_true(json_object_get(lookup, "answers")));
	assert_true(json_is_false(json_object_get(relay, "answers")));
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_with_its_number_has_a_code),
		cmocka_unit_test(question_stranger_and_fragment_are_no_answer),
		cmocka_unit_test(server_that_answers_is_heard),
		cmocka_unit_test(server_that_is_silent_costs_its_time_only),
		STAGED(server_that_is_not_there_is_named_with_its_fault),
		STAGED(relay_of_the_enrolled_host_is_tried),
	};

	return cmocka_run_group_tests_name("collect/reachability", tests, NULL, NULL);
}
