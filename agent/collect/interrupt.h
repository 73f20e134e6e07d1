/* SIGTERM and SIGINT end a collection at its next safe point. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_INTERRUPT_H
#define TOWLINE_COLLECT_INTERRUPT_H

#include <stdbool.h>
#include <towline/attr.h>
#include <towline/err.h>

/* Main thread, before any work; system calls are not restarted. */
void interrupt_install(void);
/* TL_ECANCELED once a signal came, else 0. */
TL_MUST_CHECK int interrupt_check(struct tl_err *err);

#endif
