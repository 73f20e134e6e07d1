#include "collect/rights.h"

#include <stdlib.h>
#include <sys/capability.h>
#include <towline/attr.h>
#include <unistd.h>

static const cap_value_t more[] = {CAP_SYS_PTRACE, CAP_SYSLOG, CAP_NET_ADMIN};

static const cap_value_t reading = CAP_DAC_READ_SEARCH;

static bool has_any(const cap_value_t *values, size_t count)
{
	cap_t caps = cap_get_proc();
	bool found = false;

	for (size_t i = 0; caps && i < count; i++) {
		cap_flag_value_t value = CAP_CLEAR;

		cap_get_flag(caps, values[i], CAP_PERMITTED, &value);
		found = found || value == CAP_SET;
	}
	cap_free(caps);
	return found;
}

bool rights_have_more(void)
{
	return geteuid() != 0 && has_any(more, TL_ARRAY_LEN(more));
}

bool rights_are_special(void)
{
	return geteuid() == 0 || has_any(&reading, 1) || rights_have_more();
}

void rights_keep(bool all)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t have, caps;

	if (all || geteuid() == 0)
		return;
	have = cap_get_proc();
	caps = cap_init();
	if (have)
		cap_get_flag(have, reading, CAP_PERMITTED, &value);
	if (!have || !caps || cap_set_flag(caps, CAP_PERMITTED, 1, &reading, value) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, 1, &reading, value) < 0 ||
	    cap_set_flag(caps, CAP_INHERITABLE, 1, &reading, value) < 0 ||
	    cap_set_proc(caps) < 0) /* the kernel lowers ambient ones along */
		_exit(1);
	cap_free(have);
	cap_free(caps);
}
