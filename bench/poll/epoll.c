/* The yardstick in C: the same requests for the same bytes over epoll, so many in flight. Prints its own CPU time.
 * usage: epoll PORT MACHINES IN_FLIGHT FAMILIES < requests   (a request: family number, length, bytes) */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_REQUESTS 64
struct request { int family; int length; char *bytes; };
struct slot { int fd; int machine; int request; int sent; };

static struct request requests[MOST_REQUESTS];
static int request_count, families, machines, port, next_machine, next_request = -1, epoll;
static unsigned long long received;
static long answered, failed;

/* The next request of the next machine; 0 when all have been begun. */
static int advance(int *machine, int *request) {
  for (;;) {
    next_request += 1;
    if (next_request >= request_count) { next_request = 0; next_machine += 1; }
    if (next_machine >= machines) return 0;
    if (requests[next_request].family == next_machine % families) { *machine = next_machine; *request = next_request; return 1; }
  }
}

static int begin(struct slot *slot) {
  int machine, request;
  if (!advance(&machine, &request)) return 0;
  int index = machine / families;
  struct sockaddr_in to = {0};
  to.sin_family = AF_INET;
  to.sin_port = htons((unsigned short)port);
  to.sin_addr.s_addr = htonl((127u << 24) | ((unsigned)(100 + machine % families) << 16) | ((unsigned)(index / 250) << 8) | (unsigned)(index % 250 + 1));
  slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  slot->machine = machine;
  slot->request = request;
  slot->sent = 0;
  int one = 1;
  setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(slot->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) { failed += 1; close(slot->fd); return begin(slot); }
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = slot};
  epoll_ctl(epoll, EPOLL_CTL_ADD, slot->fd, &event);
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  port = atoi(argv[1]);
  machines = atoi(argv[2]);
  int in_flight = atoi(argv[3]);
  families = atoi(argv[4]);
  int family, length;
  while (request_count < MOST_REQUESTS && scanf("%d %d", &family, &length) == 2) {
    getchar();
    char *bytes = malloc((size_t)length);
    if (fread(bytes, 1, (size_t)length, stdin) != (size_t)length) return 2;
    requests[request_count++] = (struct request){family, length, bytes};
  }
  epoll = epoll_create1(0);
  struct slot *slots = calloc((size_t)in_flight, sizeof *slots);
  int open = 0;
  for (int i = 0; i < in_flight; i += 1) open += begin(&slots[i]);
  struct epoll_event events[512];
  char buffer[65536];
  while (open > 0) {
    int n = epoll_wait(epoll, events, 512, 10000);
    if (n == 0) break;
    for (int i = 0; i < n; i += 1) {
      struct slot *slot = events[i].data.ptr;
      if (!slot->sent) {
        struct request *r = &requests[slot->request];
        if (write(slot->fd, r->bytes, (size_t)r->length) != r->length) failed += 1;
        slot->sent = 1;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
        epoll_ctl(epoll, EPOLL_CTL_MOD, slot->fd, &event);
        continue;
      }
      ssize_t got = read(slot->fd, buffer, sizeof buffer);
      if (got > 0) { received += (unsigned long long)got; continue; }
      if (got < 0 && errno == EAGAIN) continue;
      if (got < 0) failed += 1; else answered += 1;
      close(slot->fd);
      open -= 1;
      open += begin(slot);
    }
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  printf("{\"cpuUs\":%.0f,\"answered\":%ld,\"failed\":%ld,\"bytes\":%llu}\n", cpu * 1e6, answered, failed, received);
  return 0;
}
