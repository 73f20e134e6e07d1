/* cmocka with what it needs before it. */
#ifndef TESTS_UNIT_COMMON_TESTS_H
#define TESTS_UNIT_COMMON_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <towline/attr.h>
#include <towline/err.h>
#include <cmocka.h>

/* The sentence holds these words. */
#define assert_says(err_pointer, words) \
	do { \
		if (!strstr(tl_err_text(err_pointer), words)) \
			fail_msg("\"%s\" does not say \"%s\"", tl_err_text(err_pointer), words); \
	} while (0)

#endif
