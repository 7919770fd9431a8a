# syntax=docker/dockerfile:1
#
# To try it out, with a SoftHSM token in the volume:
#
#   docker build -t claviger .
#   docker run -d --name claviger -p 8443:8443 -v claviger-data:/data claviger
#   docker exec claviger cat /data/tls/certificate.pem > claviger.pem     # clients trust this: AWS_CA_BUNDLE=claviger.pem
#   docker exec claviger cat /data/admin.env                              # the administrator's credentials
#   docker exec claviger sh -c 'set -a; . /data/admin.env; claviger key list'
#
# With a real HSM, mount the vendor's PKCS#11 library, the PIN file and a configuration that names them (hsm-config/):
#
#   docker run -d -p 8443:8443 -v claviger-data:/data -v /opt/vendor:/opt/vendor:ro -v "$PWD/hsm.yaml:/etc/claviger.yaml:ro" \
#     --mount type=bind,src=/run/secrets/pin,dst=/run/secrets/pin,readonly -e CLAVIGER_CONFIG=/etc/claviger.yaml claviger
#
# The library must run on this Debian; the files must be readable by user 10001. A certificate of your own: mount it and set
# CLAVIGER_TLS_CERTIFICATE and CLAVIGER_TLS_KEY to the paths (scripts/docker-entry.sh says what happens without).
#
# Packages, npm dependencies and the build come from scripts/setup.sh, as with `npm start` and `npm test`.

ARG NODE_VERSION=22

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY scripts scripts
COPY package.json package-lock.json ./
RUN scripts/setup.sh --npm
COPY tsconfig.json ./
COPY src src
COPY test test
RUN scripts/setup.sh --build --prune

FROM node:${NODE_VERSION}-bookworm-slim
WORKDIR /app
COPY scripts scripts
RUN scripts/setup.sh --hsm --tls \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin claviger \
  && install -d -o claviger -g claviger -m 0700 /data \
  && ln -s /app/scripts/docker-entry.sh /usr/local/bin/claviger
COPY package.json LICENSE ./
COPY hsm-config hsm-config
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist/src dist/src

ENV NODE_ENV=production \
    CLAVIGER_DATA_DIR=/data \
    CLAVIGER_LISTEN=0.0.0.0:8443
USER 10001:10001
VOLUME /data
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "/app/scripts/docker-health.js"]
ENTRYPOINT ["/app/scripts/docker-entry.sh"]
CMD ["server"]
