/* Opens COUNT TLS connections to PORT on loopback, makes one request on each, says "ready", and keeps
 * them until standard input ends. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char request[] = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";

static SSL *open_one(SSL_CTX *context, in_port_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[2048];
	SSL *ssl;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return NULL;
	ssl = SSL_new(context);
	if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1 ||
	    SSL_write(ssl, request, sizeof request - 1) <= 0 ||
	    SSL_read(ssl, reply, sizeof reply) <= 0)
		return NULL;
	return ssl;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int count = argc == 3 ? atoi(argv[2]) : 0;
	char byte;

	if (count <= 0) {
		fprintf(stderr, "usage: bench-idle-clients PORT COUNT\n");
		return 64;
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < count; i++)
		if (!open_one(context, (in_port_t)atoi(argv[1]))) {
			fprintf(stderr, "bench-idle-clients: only %d connections\n", i);
			return 1;
		}
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
