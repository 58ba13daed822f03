# One image for every command of Drover: `docker run drover worker`, `serve`, `doctor`, … It brings the text-index example.
# Runs with a read-only root file system when /tmp can be written (docker-compose.yml shows it).
# Exact versions; CONTRIBUTING.md says how to pin their digests too, and how to move to newer ones.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build

FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
# Workers answer /readyz there, inside their container alone.
ENV NODE_ENV=production DROVER_HEALTH_PORT=9464
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY deploy ./deploy
COPY examples/text-index ./examples/text-index
# A number, so that a host which allows no root user can tell that this is none.
USER 10001:10001
STOPSIGNAL SIGTERM
EXPOSE 3000
# Of a worker: it takes jobs, and its Redis answers. Where the dashboard runs, `health` alone asks that (docker-compose.yml).
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s --retries=3 \
  CMD ["node", "dist/cli/main.js", "health", "--url", "http://127.0.0.1:9464/readyz"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["--help"]
