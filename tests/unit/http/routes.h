/* The routes that the tests of the server speak to. */
#ifndef TOWLINE_TESTS_HTTP_ROUTES_H
#define TOWLINE_TESTS_HTTP_ROUTES_H

#include "http/http.h"

#define SOCKET_MESSAGE_MAX ((size_t)512 * 1024) /* of the WebSocket at /socket */

void routes_install(struct tl_http_config *config);

#endif
