#include <towline/https.h>

#include <sys/socket.h>

/* libcurl's own way leaves out close-on-exec (curl_easy_setopt(3), CURLOPT_OPENSOCKETFUNCTION). */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)arg;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int tl_https_prepare(CURL *curl, const char *ca_file, const char *proxy, struct tl_err *err)
{
	CURLcode rc = CURLE_OK;

	if (!curl)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	rc |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	rc |= curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	rc |= curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	rc |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	rc |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_file) {
		/* The system's bundle beside it would cost memory, and trust. */
		rc |= curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
		rc |= curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	if (proxy && proxy[0])
		rc |= curl_easy_setopt(curl, CURLOPT_PROXY, proxy);
	/* What a proxy says of itself is not the peer's answer. */
	rc |= curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	rc |= curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	rc |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	return rc == CURLE_OK ? 0 : tl_err_set(err, TL_ENOMEM, "libcurl cannot be set up");
}
