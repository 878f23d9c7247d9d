// The Android library: `./build-android.sh` first, which fills src/main/jniLibs and build/generated.
plugins {
    id("com.android.library") version "8.13.0"
    kotlin("android") version "2.2.20"
    `maven-publish`
}

group = "org.xln"
version = "0.1.0" // the workspace's; a test compares

android {
    namespace = "org.xln"
    compileSdk = 36
    defaultConfig {
        minSdk = 23
        consumerProguardFiles("consumer-rules.pro")
    }
    sourceSets["main"].kotlin.srcDir("build/generated")
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    publishing { singleVariant("release") { withSourcesJar() } }
}

kotlin { jvmToolchain(17) }

dependencies {
    implementation("net.java.dev.jna:jna:5.17.0@aar")
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.10.2")
    testImplementation(kotlin("test-junit"))
    testImplementation("net.java.dev.jna:jna:5.17.0")
    testImplementation("com.google.code.gson:gson:2.13.2")
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "xln"
            afterEvaluate { from(components["release"]) }
        }
    }
}
