/* A helper that runs behind its doors, in a process of its own, with the test as its agent. */
#ifndef TOWLINE_TESTS_HELPER_RIG_H
#define TOWLINE_TESTS_HELPER_RIG_H

#include "../common/tests.h"

#include <towline/ipc.h>

#include "helper/helper.h"

struct rig {
	char dir[400];
	pid_t helper;
	struct tl_key *authority;
	struct tl_identity identity;
	void *scratch;
};

/* Per test: *state is a struct rig, with a policy that allows commands. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

void rig_start(struct rig *rig, enum tl_consent_flag consent);
void rig_stop(struct rig *rig);
/* A connection to helper.sock or consent.sock. */
int rig_connect(const struct rig *rig, const char *name);
/* `args` is taken. */
int rig_call(int fd, const char *verb, json_t *args, struct tl_ipc_message *ret_result,
	     struct tl_err *err);
int rig_hello(const struct rig *rig, int fd, struct tl_err *err);
/* A grant for a session on `host`, signed by the rig's authority. */
void rig_grant(const struct rig *rig, const char *host, struct tl_buf *out);
int rig_request(int fd, const char *grant, struct tl_ipc_message *ret_answer, struct tl_err *err);
/* A text of an answer. */
const char *rig_text(const struct tl_ipc_message *message, const char *name);

#endif
