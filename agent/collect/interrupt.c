#include "collect/interrupt.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number TL_UNUSED)
{
	interrupted = 1;
}

void interrupt_install(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int interrupt_check(struct tl_err *err)
{
	return interrupted ? tl_err_set(err, TL_ECANCELED, "the collection was interrupted") : 0;
}
