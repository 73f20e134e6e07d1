/* The routes that the tests of the server speak to. */
#ifndef TOWLINE_TESTS_HTTP_ROUTES_H
#define TOWLINE_TESTS_HTTP_ROUTES_H

#include "http/http.h"

void routes_install(struct tl_http_config *config);

#endif
